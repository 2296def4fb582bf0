"""The surrogate derivatives, numbered. A `SurrogateForm` states the number; `firing.surrogate_derivative` computes it.

Each line gives ds/dx at x = u - v_th and what its two numbers p0 and p1 are.
"""

ATAN = 0  # p0 / (1 + (p1 x)^2)                          p0 = alpha / 2, p1 = pi alpha / 2
SIGMOID = 1  # p0 s (1 - s), s = sigmoid(p0 x)           p0 = alpha
TRIANGLE = 2  # p1 max(p0 - |x|, 0)                      p0 = gamma, p1 = 1 / gamma^2
RECTANGLE = 3  # p1 where |x| < p0                       p0 = width / 2, p1 = 1 / width
FAST_SIGMOID = 4  # p0 / (1 + p1 |x|)^2                  p0 = scale, p1 = beta
GAUSSIAN = 5  # p0 exp(-p1 x^2)                          p0 = 1 / (sqrt(2 pi) sigma), p1 = 1 / (2 sigma^2)
EXP_ABS = 6  # p0 exp(-p1 |x|)                           p0 = scale / width, p1 = 1 / width
DSPIKE = 7  # see surrogates/dspike.py, b = p0, h = p1   p0 = b, p1 = half width
