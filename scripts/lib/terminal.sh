# shellcheck shell=bash
# What every script says to people: sourced, never run.
#
# Colours only on a terminal, and not when NO_COLOR is set (https://no-color.org).
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' plain=$'\e[0m'
else
  # shellcheck disable=SC2034  # read by the scripts that source this file
  bold='' dim='' red='' green='' yellow='' plain=''
fi

# title TEXT: the start of a step.
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
# say TEXT: one line.
say() { printf '%s\n' "$*"; }
# note TEXT: something to know that is no failure.
note() { printf '%s%s%s\n' "$yellow" "$*" "$plain"; }
# good TEXT: something that was checked and holds.
good() { printf '%s%s%s\n' "$green" "$*" "$plain"; }
# fail TEXT: says what is wrong on standard error and ends the script with 1.
fail() {
  printf '%serror: %s%s\n' "$red" "$*" "$plain" >&2
  exit 1
}
# indent: copies standard input, set off from the script's own words.
indent() { sed 's/^/    /'; }
