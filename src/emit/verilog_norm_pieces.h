#pragma once

#include <string_view>

namespace normgraft::verilog {

/// LayerNorm: two passes over a token in a buffer. In the first its sum s and its sum of squares q come
/// together as it arrives. Then, bit by bit, N = D q - s^2 + eps, which is D^2 times the variance, and 1 /
/// sqrt(N) by a table and one Newton step. In the second pass each element leaves as (D x - s) / sqrt(N)
/// times a constant.
inline constexpr std::string_view kNorm =
    R"v(  // Elements that wait: from the first that is not read to the last that was written.
  reg [@in_top@:0] memory[0:@memory_last@];
  reg [@pointer_bits@:0] written, read;
  wire room = ~(written[@pointer_bits@] != read[@pointer_bits@] &&
                written[@pointer_top@:0] == read[@pointer_top@:0]);

  // The first pass: the magnitude, its square, the sums.
  reg sums_are_whole;
  wire root_takes;
  wire step_1 = ~sums_are_whole | root_takes;
  assign in_ready = step_1 & room;
  wire accepts = in_valid & in_ready;
  always @(posedge clock)
    if (accepts) memory[written[@pointer_top@:0]] <= in_code;

  reg is_first;
  reg [1:0] valid_1, last_1, first_1;
  reg [@in_top@:0] x_1, x_2, magnitude;
  wire [@product_x_top@:0] square_product;
  wire [@in_top@:0] square_digits = magnitude + @square_offset@;
  normgraft_product #(.X(@square_x@), .N(@square_digits@)) times_itself (
      .x({1'b0, magnitude}), .digits(square_digits), .product(square_product));
  reg [@square_top@:0] square;
  reg [@sum_top@:0] sum;
  reg [@squares_top@:0] squares;
  always @(posedge clock)
    if (reset) begin
      written <= @pointer_zero@;
      is_first <= 1'b1;
      valid_1 <= 2'b0;
      sums_are_whole <= 1'b0;
    end else begin
      if (accepts) begin
        written <= written + @pointer_one@;
        is_first <= in_last;
      end
      if (step_1) begin
        valid_1 <= {valid_1[0], accepts};
        sums_are_whole <= valid_1[1] & last_1[1];
      end
    end
  always @(posedge clock)
    if (step_1) begin
      last_1 <= {last_1[0], in_last};
      first_1 <= {first_1[0], is_first};
      x_1 <= in_code;
      x_2 <= x_1;
      magnitude <= in_code[@in_top@] ? @in_zero@ - in_code : in_code;
      square <= square_product[@square_top@:0];
      if (valid_1[1]) begin
        sum <= (first_1[1] ? @sum_zero@ : sum) + {{@sum_extension@{x_2[@in_top@]}}, x_2};
        squares <= (first_1[1] ? @squares_zero@ : squares) + {@square_extension@, square};
      end
    end

  // The root, once a token: N from its lowest bit on, one bit a clock.
  reg computes_bits, computes_table, computes_step, root_is_whole;
  assign root_takes = sums_are_whole & ~(computes_bits | computes_table | computes_step | root_is_whole);
  wire output_takes;
  reg [@count_top@:0] count;
  reg [@sum_top@:0] s;
  reg [@squares_top@:0] q;
  wire s_bit = count < @sum_bits_literal@ ? s[count[@s_index_top@:0]] : 1'b0;
  wire q_bit = count < @squares_bits_literal@ ? q[count[@q_index_top@:0]] : 1'b0;
  // s^2: the next bit of the product is the lowest of what is summed up. The upper bit of s is negative.
  reg [@sum_bits@:0] partial;
  wire s_is_top = count == @s_top_literal@;
  wire [@sum_bits@:0] addend = {(@sum_bits_1@){s_bit}} & {s[@sum_top@], s} ^ {(@sum_bits_1@){s_is_top & s_bit}};
  wire [@sum_bits_1@:0] with_carry = {partial, 1'b1} + {addend, s_is_top & s_bit};
  wire [@sum_bits@:0] partial_sum = with_carry[@sum_bits_1@:1];
@times_d@  localparam [@n_top@:0] EPS = @eps@;
  wire eps_bit = EPS[count];
  reg eps_carry, borrow;
  wire with_eps = d_q ^ eps_bit ^ eps_carry;
  wire n_bit = with_eps ^ partial_sum[0] ^ borrow;
  // The upper bits of N from its upper pair of bits that is not 0 on.
  reg [@mantissa_top@:0] window, mantissa;
  reg [@pair_top@:0] pair;
  wire [@mantissa_top@:0] next_window = {n_bit, window[@mantissa_top@:1]};

  // 1 / sqrt of the mantissa: from the middle of its interval in the table one step of Newton, which is a straight
  // line; so the table holds the line.
  reg [@line_top@:0] line;
  wire [@slope_bits_top@:0] slope = line[@slope_bits_top@:0];
  reg [@slope_bits_top@:0] fall;
  wire [@slope_bits@:0] fall_sum = {1'b0, fall} + {1'b0, slope & {(@slope_bits@){mantissa[count[@f_index_top@:0]]}}};
  wire [@factor_top@:0] factor = line[@line_top@:@slope_bits@] - {@fall_extension@, fall};
  always @(posedge clock)
    if (reset) begin
      computes_bits <= 1'b0;
      computes_table <= 1'b0;
      computes_step <= 1'b0;
      root_is_whole <= 1'b0;
    end else begin
      if (root_takes) computes_bits <= 1'b1;
      if (computes_bits & count == @n_top_literal@) begin
        computes_bits <= 1'b0;
        computes_table <= 1'b1;
      end
      if (computes_table) begin
        computes_table <= 1'b0;
        computes_step <= 1'b1;
      end
      if (computes_step & count == @f_top_literal@) begin
        computes_step <= 1'b0;
        root_is_whole <= 1'b1;
      end
      if (output_takes) root_is_whole <= 1'b0;
    end
  always @(posedge clock) begin
    count <= root_takes | computes_table ? @count_zero@ : count + @count_one@;
    if (root_takes) begin
      s <= sum;
      q <= squares;
      partial <= @partial_zero@;
      eps_carry <= 1'b0;
      borrow <= 1'b0;
      window <= @mantissa_zero@;
    end else if (computes_bits) begin
      partial <= {partial_sum[@sum_bits@], partial_sum[@sum_bits@:1]};
      eps_carry <= d_q & eps_bit | d_q & eps_carry | eps_bit & eps_carry;
      borrow <= ~with_eps & partial_sum[0] | ~with_eps & borrow | partial_sum[0] & borrow;
      window <= next_window;
      if (count[0] & (next_window[@mantissa_top@] | next_window[@mantissa_top_1@])) begin
        mantissa <= next_window;
        pair <= count[@count_top@:1];
      end
    end
    if (computes_table) begin
      fall <= @slope_zero@;
      case (mantissa[@mantissa_top@:@f_bits@])
@table@      endcase
    end
    if (computes_step) fall <= fall_sum[@slope_bits@:1];
  end

  // The second pass: D x - s, shifted by the place of N's upper bits, times the factor.
  wire step_2 = out_ready | ~out_valid;
  reg [@index_top@:0] index;
  wire is_begin = index == @index_zero@;
  wire is_end = index == @index_last@;
  wire reads = step_2 & (root_is_whole | ~is_begin);
  assign output_takes = reads & is_begin;
  reg [@in_top@:0] x;
  reg [@sum_top@:0] s_of_x;
  reg [@pair_top@:0] pair_of_x, pair_of_m;
  reg [@factor_top@:0] factor_of_x, factor_of_m, factor_of_shifted;
  reg [1:0] first_2;
  reg [3:0] valid_2, last_2;
  always @(posedge clock)
    if (reset) begin
      read <= @pointer_zero@;
      index <= @index_zero@;
      valid_2 <= 4'b0;
      out_valid <= 1'b0;
    end else begin
      if (reads) begin
        read <= read + @pointer_one@;
        index <= is_end ? @index_zero@ : index + @index_one@;
      end
      if (step_2) begin
        valid_2 <= {valid_2[2:0], reads};
        out_valid <= valid_2[3];
      end
    end
  always @(posedge clock)
    if (reads) x <= memory[read[@pointer_top@:0]];

  reg [@m_top@:0] m;
  wire [@placed_top@:0] placed = @placed@;
  wire [@pair_top@:0] places = pair_of_m - @pair_least@;
  wire [@placed_top@:0] shifted_far = $signed(placed) >>> places;
  reg [@shifted_top@:0] shifted;
  wire [@y_top@:0] y_product;
  normgraft_product #(.X(@shifted_bits@), .N(@factor_digits@)) times_factor (
      .x(shifted), .digits(factor_of_shifted), .product(y_product));
  reg [@y_top@:0] y;
@rounded@  always @(posedge clock)
    if (step_2) begin
      last_2 <= {last_2[2:0], is_end};
      out_last <= last_2[3];
      first_2 <= {first_2[0], is_begin};
      if (output_takes) begin
        s_of_x <= s;
        pair_of_x <= pair;
        factor_of_x <= factor;
      end
      if (first_2[0]) begin
        pair_of_m <= pair_of_x;
        factor_of_m <= factor_of_x;
      end
      if (first_2[1]) factor_of_shifted <= factor_of_m;
      m <= @m@;
      shifted <= shifted_far[@shifted_top@:0];
      y <= y_product;
      out_code <= @clamped@;
    end
@unused@endmodule
)v";

}  // namespace normgraft::verilog
