# LibTorch, Debian's 1.13 or any later official build found through CMAKE_PREFIX_PATH.
find_package(Torch REQUIRED)
# Official builds of before 2.6 for old compilers have std::string of another layout than every other library here.
if(TORCH_CXX_FLAGS MATCHES "_GLIBCXX_USE_CXX11_ABI=0")
  message(FATAL_ERROR "LibTorch in ${TORCH_INSTALL_PREFIX} is built with the old C++ ABI, expected a build with the C++11 ABI (libtorch-cxx11-abi)")
endif()
# at::parallel_for is a header: without OpenMP it silently runs on one thread.
find_package(OpenMP REQUIRED COMPONENTS CXX)

# normgraft_torch carries LibTorch as a system library, and the header of its tensors once compiled for every room.
add_library(normgraft_torch STATIC ${CMAKE_SOURCE_DIR}/cmake/torch_header.cc)
target_include_directories(normgraft_torch SYSTEM PUBLIC ${TORCH_INCLUDE_DIRS})
target_link_libraries(normgraft_torch PUBLIC normgraft_options ${TORCH_LIBRARIES} OpenMP::OpenMP_CXX)
target_compile_options(normgraft_torch PUBLIC ${TORCH_CXX_FLAGS})
target_precompile_headers(normgraft_torch PRIVATE <ATen/ATen.h>)

# normgraft_uses_torch(TARGET) links LibTorch and reuses the compiled header. Programs are compiled like
# libraries (-fPIC instead of -fPIE), or the compiler would refuse the header.
function(normgraft_uses_torch target)
  target_link_libraries(${target} PUBLIC normgraft_torch)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL EXECUTABLE)
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
  target_precompile_headers(${target} REUSE_FROM normgraft_torch)
endfunction()
