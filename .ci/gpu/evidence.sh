# evidence.sh MINUTES: starts the queue of scripts/evidence.csv in /tmp/repo on the visible GPUs and does not wait.
# Before: `cp -r` of the checkout to /tmp/repo, CIFAR-10 in /tmp/data. CUDA_VISIBLE_DEVICES leaves GPUs to other jobs.
cd /tmp/repo && RUNS=/tmp/runs nohup setsid python3 scripts/regenerate.py evidence="$1" >> /tmp/evidence.log 2>&1 &
