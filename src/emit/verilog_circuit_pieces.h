#pragma once

#include <string_view>

namespace normgraft::verilog {

// What a module for a circuit is made of; verilog_pieces.h says how words stand in it.

/// Bit k of valid_at, last_at and first_at belongs to the element that is k clocks behind its input.
inline constexpr std::string_view kCircuit = R"v(  wire step = out_ready | ~out_valid;
  assign in_ready = step;
@control@  always @(posedge clock)
    if (reset) out_valid <= 1'b0;
    else if (step) out_valid <= valid_at[@top@];
  always @(posedge clock) if (step) out_last <= last_at[@top@];

@body@@rounded@  always @(posedge clock) if (step) out_code <= @clamped@;
@unused@endmodule
)v";

/// Where nothing takes a clock before the output.
inline constexpr std::string_view kNoStages = R"v(  wire [0:0] valid_at = in_valid;
  wire [0:0] last_at = in_last;
)v";

inline constexpr std::string_view kStages = R"v(
  reg [@top@:1] valid_after, last_after;
  wire [@top@:0] valid_at = {valid_after, in_valid};
  wire [@top@:0] last_at = {last_after, in_last};
  always @(posedge clock)
    if (reset) valid_after <= @zero@;
    else if (step) valid_after <= valid_at[@below@:0];
  always @(posedge clock) if (step) last_after <= last_at[@below@:0];
)v";

/// For a function of r: element 0 of a token is r.
inline constexpr std::string_view kFirst = R"v(
  reg is_first;
  always @(posedge clock)
    if (reset) is_first <= 1'b1;
    else if (step & in_valid) is_first <= in_last;
)v";

inline constexpr std::string_view kFirstWithoutStages = R"v(  wire [0:0] first_at = is_first;
)v";

inline constexpr std::string_view kFirstStages = R"v(  reg [@top@:1] first_after;
  wire [@top@:0] first_at = {first_after, is_first};
  always @(posedge clock) if (step) first_after <= first_at[@below@:0];
)v";

/// A curve: straight between knots. Its `value` comes two clocks behind what enters.
inline constexpr std::string_view kPieces = R"v(  wire [@in_top@:0] @name@_in = @input@;
  generate
    if (1) begin : @name@
@logic@    end
  endgenerate
)v";

/// What circuits share: log2 and the quotient begin here.
inline constexpr std::string_view kLeadingOne =
    R"v(// Written by normgraft: where the leading one of a positive x is, and the 16 bits behind it, a clock later. Of an x
// that is not positive, those of 1.
module normgraft_leading_one #(
    parameter X = 16,  // bits of x, two's complement
    parameter P = 4    // bits of a place
) (
    input wire clock,
    input wire step,
    input wire [X-1:0] x,
    output reg [P-1:0] place,
    output reg [15:0] fraction
);
  reg [P-1:0] at;
  integer k;
  always @* begin
    at = {P{1'b0}};
    for (k = 1; k < X - 1; k = k + 1) if (x[k] & ~x[X-1]) at = k[P-1:0];
  end
  wire [X+15:0] normal = {x, 16'b0} >> at;
  always @(posedge clock)
    if (step) begin
      place <= at;
      fraction <= normal[15:0];
    end
  wire unused = &{1'b0, normal};
endmodule
)v";

inline constexpr std::string_view kQuotient =
    R"v(// Written by normgraft: numerator / denominator, cut off, with a sign; a bit a clock, Q clocks, a new one each clock.
module normgraft_quotient #(
    parameter Q = 16,  // bits of the numerator and of the quotient without its sign
    parameter D = 16   // bits of the denominator
) (
    input wire clock,
    input wire step,
    input wire negative,
    input wire [Q-1:0] numerator,
    input wire [D-1:0] denominator,
    output wire [Q:0] quotient
);
  genvar k;
  generate
    for (k = 0; k < Q; k = k + 1) begin : row
      // Quotient bits enter where numerator bits leave.
      wire [Q-1:0] bits_in;
      wire [D-1:0] rest_in, by_in;
      wire minus_in;
      if (k == 0) begin : at_0
        assign bits_in = numerator;
        assign rest_in = {D{1'b0}};
        assign by_in = denominator;
        assign minus_in = negative;
      end else begin : at_k
        assign bits_in = row[k-1].bits;
        assign rest_in = row[k-1].rest;
        assign by_in = row[k-1].by;
        assign minus_in = row[k-1].minus;
      end
      wire [D:0] next = {rest_in, bits_in[Q-1]};
      wire fits = next >= {1'b0, by_in};
      wire [D:0] less = next - {1'b0, by_in};
      reg [Q-1:0] bits;
      reg [D-1:0] rest, by;
      reg minus;
      always @(posedge clock)
        if (step) begin
          bits <= {bits_in[Q-2:0], fits};
          rest <= fits ? less[D-1:0] : next[D-1:0];
          by <= by_in;
          minus <= minus_in;
        end
      wire unused = &{1'b0, next, less, rest, by};
    end
  endgenerate
  assign quotient = row[Q-1].minus ? -{1'b0, row[Q-1].bits} : {1'b0, row[Q-1].bits};
endmodule
)v";

}  // namespace normgraft::verilog
