#pragma once

#include <string_view>

namespace normgraft::verilog {

// Verilog-2005, in which @word@ stands for what the exporter puts there, and what simulates it.

inline constexpr std::string_view kProduct =
    R"v(// Written by normgraft: x times a number that comes as N digits of 4, each of -1, 0, 1, 2 and written as 0, 1, 2, 3:
// as the number plus 1 + 4 + 16 + ... A bit of a row depends on two bits of the digit and two of x, which is one
// table of four inputs. The upper digit is not -1. With NORMGRAFT_MULTIPLY defined it is one multiplication, for chips
// that have multipliers.
module normgraft_product #(
    parameter X = 16,  // bits of x, two's complement
    parameter N = 4,
    parameter B = 2 * N + 1  // bits that hold the number, two's complement
) (
    input wire [X-1:0] x,
    input wire [2*N-1:0] digits,
    output wire [X+2*N-1:0] product
);
`ifdef NORMGRAFT_MULTIPLY
  // The largest number, whose digits are all 2, begins with 10.
  wire [2*N-1:0] code = digits - {N{2'b01}};
  wire [2*N:0] number = {&code[2*N-1:2*N-2], code};
  wire signed [X+2*N-1:0] wide_x = {{2 * N{x[X-1]}}, x};
  wire signed [X+2*N-1:0] wide_number = {{X + 2 * N - B{number[B-1]}}, number[B-1:0]};
  wire unused = &{1'b0, number};
  assign product = wide_x * wide_number;
`else
  localparam unused = B;
  genvar k;
  generate
    for (k = 0; k < N; k = k + 1) begin : row
      wire [1:0] digit = digits[2*k+1:2*k];
      // For -1 it is one too low, which the next row adds.
      wire [X:0] multiple = digit == 2'd0 ? ~{x[X-1], x} : digit == 2'd1 ? {(X + 1) {1'b0}} :
          digit == 2'd2 ? {x[X-1], x} : {x, 1'b0};
      // Of rows 0 to k, from bit 2 k - 2 on.
      wire [X+3:0] sum;
      if (k == 0) begin : at_0
        assign sum = {multiple[X], multiple, 2'b00};
      end else begin : at_k
        wire low = row[k-1].digit == 2'd0;
        assign sum = {{2{row[k-1].sum[X+3]}}, row[k-1].sum[X+3:2]} + {multiple[X], multiple, 1'b0, low};
        assign product[2*k-1:2*k-2] = sum[1:0];
      end
    end
  endgenerate
  assign product[X+2*N-1:2*N-2] = row[N-1].sum[X+3:2];
`endif
endmodule
)v";

/// What each unit begins with.
inline constexpr std::string_view kPorts = R"v(// Written by normgraft, of @comment@.
// @says@
module @module@ (
    input wire clock,
    input wire reset,
    input wire in_valid,
    output wire in_ready,
    input wire in_last,
    input wire [@in_top@:0] in_code,
    output reg out_valid,
    input wire out_ready,
    output reg out_last,
    output reg [@out_top@:0] out_code
);
)v";

/// Four stages: at and x_1; entry and x_2; factor and product; out_code.
inline constexpr std::string_view kScale = R"v(  wire step = out_ready | ~out_valid;
  assign in_ready = step;

  // Element 0 of a token is r.
  reg is_first;
  reg [2:0] valid, last, first;
  always @(posedge clock)
    if (reset) begin
      is_first <= 1'b1;
      valid <= 3'b0;
      out_valid <= 1'b0;
    end else if (step) begin
      if (in_valid) is_first <= in_last;
      valid <= {valid[1:0], in_valid};
      out_valid <= valid[2];
    end
  always @(posedge clock)
    if (step) begin
      last <= {last[1:0], in_last};
      first <= {first[1:0], is_first};
      out_last <= last[2];
    end

  // g(r), as the digits of a product.
  wire [@r_top@:0] r = in_code[@in_top@:@r_cut@];
@curve@  reg [@factor_top@:0] factor;
  always @(posedge clock) if (step & valid[1] & first[1]) factor <= value;

  reg [@x_top@:0] x_1, x_2;
  wire [@product_top@:0] x_times_factor;
  normgraft_product #(.X(@x_bits@), .N(@digits@)) times_factor (.x(x_2), .digits(factor), .product(x_times_factor));
  reg [@product_top@:0] product;
@rounded@  always @(posedge clock)
    if (step) begin
      x_1 <= @x@;
      x_2 <= x_1;
      product <= x_times_factor;
      if (first[2]) out_code <= @out_bits@'b0;
      else out_code <= @clamped@;
    end
@unused@endmodule
)v";

/// Four stages: at; entry; result; out_code.
inline constexpr std::string_view kCurve = R"v(  wire step = out_ready | ~out_valid;
  assign in_ready = step;

  reg [2:0] valid, last;
  always @(posedge clock)
    if (reset) begin
      valid <= 3'b0;
      out_valid <= 1'b0;
    end else if (step) begin
      valid <= {valid[1:0], in_valid};
      out_valid <= valid[2];
    end
  always @(posedge clock)
    if (step) begin
      last <= {last[1:0], in_last};
      out_last <= last[2];
    end

@curve@  reg [@value_top@:0] result;
@fits@  always @(posedge clock)
    if (step) begin
      result <= value;
      out_code <= @clamped@;
    end
@unused@endmodule
)v";

inline constexpr std::string_view kTestbench =
    R"c(// Written by normgraft: sends the tokens of a file through a unit and compares what comes out.
//
//     testbench MODULE MODULE.vectors BOUND
//
// The file holds tokens: elements as 32 bits, little-endian, then 16 bits for each code, then 16 bits for each code
// expected. First all are sent as fast as the unit takes them, then with pauses on both sides. Codes may differ
// by BOUND.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vunit.h"
#include "verilated.h"

namespace {

struct Element {
  int16_t code, expected;
  bool last;
};

std::vector<Element> read(const char* name) {
  std::vector<Element> elements;
  FILE* file = std::fopen(name, "rb");
  if (!file) return elements;
  uint8_t bytes[4];
  while (std::fread(bytes, 1, 4, file) == 4) {
    const size_t begin = elements.size();
    const size_t width = bytes[0] | bytes[1] << 8 | bytes[2] << 16 | static_cast<size_t>(bytes[3]) << 24;
    elements.resize(begin + width);
    for (int16_t Element::*member : {&Element::code, &Element::expected}) {
      for (size_t i = begin; i < elements.size(); ++i) {
        if (std::fread(bytes, 1, 2, file) != 2) return {};
        elements[i].*member = static_cast<int16_t>(bytes[0] | bytes[1] << 8);
      }
    }
    if (width > 0) elements.back().last = true;
  }
  std::fclose(file);
  return elements;
}

uint32_t state = 1;
bool one_in_four() {
  state = state * 1664525u + 1013904223u;
  return state >> 30 == 0;
}

int64_t code_of(uint64_t bits, int width) {
  return static_cast<int64_t>(bits << (64 - width)) >> (64 - width);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return 2;
  const std::vector<Element> elements = read(arguments[2]);
  const int64_t bound = std::atoll(arguments[3]);
  if (elements.empty()) {
    std::printf("%s: no tokens in %s\n", arguments[1], arguments[2]);
    return 1;
  }
  int64_t largest = 0, first_clock = -1, clocks_of_all = 0;
  for (const bool pauses : {false, true}) {
    Vunit unit;
    const auto tick = [&] {
      unit.clock = 1;
      unit.eval();
      unit.clock = 0;
      unit.eval();
    };
    unit.clock = 0;
    unit.in_valid = 0;
    unit.out_ready = 1;
    unit.reset = 1;
    unit.eval();
    tick();
    unit.reset = 0;
    size_t sent = 0, received = 0;
    bool offers = false, was_held = false;
    int64_t clocks = 0, held = 0, held_last = 0, quiet = 0;
    while (received < elements.size()) {
      if (!offers) offers = sent < elements.size() && !(pauses && one_in_four());
      unit.in_valid = offers;
      // What is not offered is noise.
      unit.in_code = static_cast<uint32_t>(offers ? elements[sent].code : static_cast<int>(state >> 8)) & (IN_BITS == 8 ? 255u : 65535u);
      unit.in_last = offers ? elements[sent].last : state >> 9 & 1;
      unit.out_ready = !(pauses && one_in_four());
      unit.eval();
      if (was_held && (!unit.out_valid || static_cast<int64_t>(unit.out_code) != held || unit.out_last != held_last)) {
        std::printf("%s: element %zu changed before it was taken\n", arguments[1], received);
        return 1;
      }
      was_held = unit.out_valid && !unit.out_ready;
      held = unit.out_code;
      held_last = unit.out_last;
      if (unit.out_valid && unit.out_ready) {
        const Element& element = elements[received];
        const int64_t code = code_of(unit.out_code, OUT_BITS);
        const int64_t difference = std::llabs(code - element.expected);
        if (difference > bound || unit.out_last != element.last) {
          std::printf("%s: element %zu, code %d in: %lld%s, expected %d%s\n", arguments[1], received, element.code,
                      static_cast<long long>(code), unit.out_last ? " (last)" : "", element.expected,
                      element.last ? " (last)" : "");
          return 1;
        }
        if (difference > largest) largest = difference;
        if (!pauses && received == 0) first_clock = clocks;
        ++received;
        quiet = 0;
      } else if (++quiet > 100000) {
        std::printf("%s: nothing comes after element %zu\n", arguments[1], received);
        return 1;
      }
      if (unit.in_valid && unit.in_ready) {
        ++sent;
        offers = false;
      }
      tick();
      ++clocks;
    }
    if (!pauses) clocks_of_all = clocks - first_clock;
  }
  std::printf("%s: %zu codes, first after %lld clocks, %.3f clocks a code, largest difference %lld\n", arguments[1],
              elements.size(), static_cast<long long>(first_clock),
              static_cast<double>(clocks_of_all) / static_cast<double>(elements.size()),
              static_cast<long long>(largest));
  return 0;
}
)c";

inline constexpr std::string_view kMakefile =
    R"m(# Written by normgraft. make lints and simulates every unit by Verilator; make MODULE.lint and make MODULE.simulated
# one of them. DEFINES=-DNORMGRAFT_MULTIPLY multiplies by * instead of digits.
VERILATOR ?= verilator
DEFINES ?=
UNITS = @units@
SHARED = $(wildcard normgraft_*.v)
@variables@
all: $(UNITS:%=%.lint) $(UNITS:%=%.simulated)

%.lint: %.v $(SHARED)
	$(VERILATOR) --lint-only -Wall $(DEFINES) -y . --top-module $* $*.v

%.simulated: %.v $(SHARED) testbench.cpp %.vectors
	$(VERILATOR) --cc --exe --build -O3 --x-assign fast --top-module $* --prefix Vunit --Mdir $*.build \
	  -CFLAGS "-O1 -DIN_BITS=$(IN_BITS_$*) -DOUT_BITS=$(OUT_BITS_$*)" -o testbench \
	  $(DEFINES) -y . $*.v $(CURDIR)/testbench.cpp > $*.log
	$*.build/testbench $* $*.vectors $(BOUND_$*)

.PHONY: all
)m";

}  // namespace normgraft::verilog
