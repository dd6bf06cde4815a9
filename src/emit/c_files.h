#pragma once

#include <string_view>

namespace normgraft::c {

// The files beside network.c; {name} stands for what fmt::format puts there.

inline constexpr std::string_view kHeader =
    R"c(/* Written by normgraft: {architecture}, as integers compute it. */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdint.h>

#define NETWORK_HEIGHT {height}
#define NETWORK_WIDTH {width}
#define NETWORK_CLASSES {classes}

/* All memory that network() writes beside its logits and a little stack. */
#define NETWORK_ARENA_BYTES {arena}
#define NETWORK_ARENA_ALIGNMENT {alignment}

#ifdef __cplusplus
extern "C" {{
#endif

/* Classifies a picture: colour by colour (red, green, blue), row by row, each code a pixel of 0 to 255 less 128.
   Writes NETWORK_CLASSES logits, the largest of which is the answer; {unit}
   The arena is NETWORK_ARENA_BYTES bytes at a multiple of NETWORK_ARENA_ALIGNMENT, of any content, and the
   network keeps nothing there from call to call. Returns 0, or 1 without having done anything where a pointer is
   null or the arena is not aligned. */
int network(const int8_t *picture, int32_t *logits, void *arena);

#ifdef __cplusplus
}}
#endif

#endif
)c";

inline constexpr std::string_view kMain = R"c(/* Written by normgraft: classifies a file of raw RGB.

       ./classify PICTURE.rgb

   The file is NETWORK_HEIGHT rows of NETWORK_WIDTH pixels, three bytes a pixel: red, green, blue. {preparation} */
#include <stdio.h>

#include "network.h"

#define PIXELS (NETWORK_HEIGHT * NETWORK_WIDTH)

static const char *const classes[NETWORK_CLASSES] = {{
{names}}};

static unsigned char rgb[3 * PIXELS];
static int8_t picture[3 * PIXELS];
static int32_t logits[NETWORK_CLASSES];
static union {{
  unsigned char bytes[NETWORK_ARENA_BYTES];
  int64_t aligned;
}} arena;

int main(int count, char **arguments) {{
  FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
  if (!file) {{
    fprintf(stderr, "expected a file of raw RGB, %d rows of %d pixels\n", NETWORK_HEIGHT, NETWORK_WIDTH);
    return 2;
  }}
  const size_t length = fread(rgb, 1, sizeof rgb, file);
  const int ends = length == sizeof rgb && fgetc(file) == EOF;
  fclose(file);
  if (!ends) {{
    fprintf(stderr, "%s: expected %lu bytes of raw RGB\n", arguments[1], (unsigned long)sizeof rgb);
    return 2;
  }}
  for (int32_t i = 0; i < PIXELS; ++i) {{
    for (int32_t colour = 0; colour < 3; ++colour) {{
      picture[colour * PIXELS + i] = (int8_t)(rgb[3 * i + colour] - 128);
    }}
  }}
  if (network(picture, logits, &arena) != 0) return 1;
  for (int rank = 0; rank < 5 && rank < NETWORK_CLASSES; ++rank) {{
    int32_t best = 0;
    for (int32_t c = 1; c < NETWORK_CLASSES; ++c) {{
      if (logits[c] > logits[best]) best = c;
    }}
    printf("%ld\t%s\n", (long)logits[best], classes[best]);
    logits[best] = INT32_MIN;
  }}
  return 0;
}}
)c";

inline constexpr std::string_view kMakefile = R"c(# Written by normgraft.
CC ?= cc
CFLAGS ?= -O3

classify: main.c {sources} network.h{data}
	$(CC) -std=c99 -Wall -Wextra -Wconversion $(CFLAGS) -o $@ main.c {sources}
)c";

}  // namespace normgraft::c
