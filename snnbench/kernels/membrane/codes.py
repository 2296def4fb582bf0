"""The membrane dynamics, numbered. A `ChargeForm` or `MembraneForm` states the number; `device` computes it.

Each line gives the potential h before firing from the state v after the last reset and the current x. r is v_reset.
"""

INTEGRATE = 0  # h = v + x                              IF
DECAY_INPUT = 1  # h = v + (x - (v - r)) k              LIF and PLIF, k = 1/tau
DECAY_STATE = 2  # h = (v - r) k + (x + r)              LIF whose input is not divided by tau, k = 1 - 1/tau
DECAY_STATE_LEARNT = 3  # h = v - (v - r) k + x         PLIF whose input is not divided by tau, k = 1/tau
COMPLEMENTARY = 4  # h = v k + x, k = 1 - 1/tau         CLIF, with its second state m
COMPLEMENTARY_OVERWRITTEN = 5  # as COMPLEMENTARY       CLIF as the survey's code has it: the next step sees sigmoid(m)
GATED = 6  # h = keep v (1 - clear m) - sink + x - drop m       GLIF; v and m are its u and o

TWO_STATES = (COMPLEMENTARY, COMPLEMENTARY_OVERWRITTEN, GATED)  # these have a state m beside v
GATED_NUMBERS = 5  # rows of GATED's learnt numbers (keep, clear, sink, drop, v_th); a gain for each step follows them
