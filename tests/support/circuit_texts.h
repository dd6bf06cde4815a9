#pragma once

namespace normgraft::testing {

/// Functions that together have every operation of a circuit, finite for all codes of its usual ports.
inline constexpr const char* kCircuitTexts[] = {"x",
                                                "2.5",
                                                "x+0.3",
                                                "0.7-x",
                                                "1.37*x",
                                                "x/3",
                                                "min(x, 1.1)",
                                                "max(0.4*x, x-2)",
                                                "-x",
                                                "abs(x)",
                                                "square(0.1*x)",
                                                "clip(x, -1.3, 2.2)",
                                                "tanh(x)",
                                                "sigmoid(0.5*x)",
                                                "erf(x)",
                                                "sqrt(x+70)",
                                                "rsqrt(x+70)",
                                                "exp(0.04*x)",
                                                "log(x+70)",
                                                "log2(x+65)",
                                                "exp2(0.06*x)",
                                                "exp2(min(10*x, 2))",
                                                "1/(abs(x)+0.5)",
                                                "x/(abs(x)+1)",
                                                "x*exp(-0.25*r)",
                                                "x*exp2(-0.3*r)",
                                                "x*r*0.1",
                                                "x/(r+9)",
                                                "r",
                                                "0.48*clip(2*x+0.17, -5, 5)",
                                                "1.3*log2(abs(x)+0.6)-min(0.2*x, 0.1)"};

}  // namespace normgraft::testing
