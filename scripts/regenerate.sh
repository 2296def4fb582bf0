#!/usr/bin/env bash
# Run again what results/ holds from a GPU: `scripts/regenerate.sh STAGE...`, e.g. `scripts/regenerate.sh survey_short`.
#
#   bench         speed and memory: table, kernels, scaling, the survey's speed study and speed rows
#   parity        20 epochs of survey/cifar10_lif, three seeds on the fused path and three on the reference path
#   speedrun      94 % on CIFAR-10, five seeds
#   survey_short  every row of the survey's two CIFAR tables over 32 epochs, teachers first
#   survey_full   the same rows over their own 256 epochs: LIF, PSN, TEBN, CLIF, OSR, feature distillation
#   neurons       every neuron, then every surrogate, in one network at one short protocol
#   own_nets      STBP, SuperSpike, SLAYER and S4NN on scanned digits, five folds each (a CPU will do)
#
# Starting it again runs what is missing and resumes what was cut off. Records of finished runs are kept in
# results/records. SNNBENCH is how to call the program (default snnbench), JOBS how many runs go at once (default one
# a GPU: speeds in the records are then those of a run alone), RUNS the folder of the runs (default runs).
set -euo pipefail
cd "$(dirname "$0")/.."
RUNS=${RUNS:-runs}
snnbench() { ${SNNBENCH:-command snnbench} "$@"; }
FAILED=0 # one run that fails keeps nobody from running the others
train() { snnbench train -m ${JOBS:+--jobs "$JOBS"} "paths.runs=$RUNS" "$@" || FAILED=1; }

keep() { # keep FOLDER...: records of finished runs below $RUNS/FOLDER
  local record
  [[ -d $RUNS ]] || return 0
  for record in $(cd "$RUNS" && find "$@" -name run.json 2>/dev/null | sort); do
    if grep -q '"status": "done"' "$RUNS/$record"; then snnbench keep "run=$RUNS/$(dirname "$record")"; fi
  done
}

joined() { local IFS=,; echo "$*"; }

TASKS=(cifar10 sequential_cifar10)
STUDENTS=(response_distillation feature_distillation)

survey() { # survey EPOCHS METHOD...: one seed of each recipe of both tasks that exists, students after their teacher
  local epochs=$1 task method teacher plain=() students=()
  shift
  for task in "${TASKS[@]}"; do
    plain+=("survey/${task}_ann")
    for method in "$@"; do
      [[ -e configs/experiment/survey/${task}_$method.yaml ]] || continue
      case $method in *distillation*) ;; *) plain+=("survey/${task}_$method") ;; esac
    done
  done
  train "experiment=$(joined "${plain[@]}")" "train.epochs=$epochs"
  for task in "${TASKS[@]}"; do
    students=()
    for method in "$@"; do
      [[ $method == *distillation* && -e configs/experiment/survey/${task}_$method.yaml ]] || continue
      students+=("survey/${task}_$method")
    done
    [[ ${#students[@]} -gt 0 ]] || continue
    teacher=$(grep -ls "\"epochs\": $epochs" "$RUNS/survey/${task}_ann"/*/run.json | head -n 1 || true)
    [[ -n $teacher ]] || { echo "survey/${task}_ann did not run: no teacher for ${students[*]}" >&2; FAILED=1; continue; }
    train "experiment=$(joined "${students[@]}")" "train.epochs=$epochs" "teacher.run=$(dirname "$teacher")"
  done
  keep survey
}

[[ $# -gt 0 ]] || { sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 2; }
for stage in "$@"; do
  case $stage in
    bench)
      snnbench bench work=all
      ;;
    parity)
      train experiment=survey/cifar10_lif train.epochs=20 seed=2020,1,2 kernels=auto,reference
      keep survey/cifar10_lif
      ;;
    speedrun)
      train experiment=speedrun/cifar10 'seed=range(5)'
      keep speedrun
      ;;
    survey_short)
      survey 32 lif if clif psn sliding_psn tebn osr block_alif tandem "${STUDENTS[@]}" \
        clif_survey tandem_survey response_distillation_survey
      ;;
    survey_full)
      survey 256 lif psn sliding_psn tebn clif osr feature_distillation
      ;;
    neurons)
      train experiment=neurons/cifar10 neuron=lif,if,plif,glif,clif,psn,masked_psn,sliding_psn,alif,block_alif,mlf
      train experiment=neurons/cifar10 surrogate=sigmoid,fast_sigmoid,rectangle,triangle,gaussian,dspike,exp_abs
      keep neurons
      ;;
    own_nets)
      train experiment=stbp/digits,superspike/digits,slayer/digits,s4nn/digits 'seed=range(5)'
      keep stbp superspike slayer s4nn
      ;;
    *)
      echo "no stage '$stage': choose of bench parity speedrun survey_short survey_full neurons own_nets" >&2
      exit 2
      ;;
  esac
done
snnbench tables
exit "$FAILED"
