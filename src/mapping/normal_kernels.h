#pragma once

#include <cstddef>
#include <vector>

namespace normgraft {

/// sum_i weight[i] * (f[i] - y[i])^2, in double, the same on every machine.
double weighted_squares(const float* f, const float* y, const float* weight, size_t n);

/// The normal equations of weighted least squares with `count` columns of n derivatives each: the lower
/// triangle of normal[k * count + l] = sum_i weight[i] * column_k[i] * column_l[i], and gradient[k] = sum_i
/// weight[i] * column_k[i] * residual[i]; in float within short blocks, in double beyond, the same on every
/// machine. `weighted` is working memory for n floats.
void normal_equations(const float* columns, size_t count, const float* residual, const float* weight,
                      size_t n, float* weighted, double* normal, double* gradient);

}  // namespace normgraft
