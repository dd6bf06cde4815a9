// Exists so that <ATen/ATen.h> is compiled once and shared by every room that uses LibTorch.
