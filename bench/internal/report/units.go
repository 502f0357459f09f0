package report

import (
	"math"
	"strconv"
	"strings"
)

// format writes a figure of a unit for people.
func format(v float64, unit string) string {
	switch {
	case unit == "cpu-ns/s":
		return duration(v) + "/s"
	case strings.HasPrefix(unit, "ns/") || strings.Contains(unit, "-ns"):
		return duration(v)
	case unit == "s/sync":
		return duration(v * 1e9)
	case unit == "B/op" || strings.HasPrefix(unit, "B/") || strings.HasSuffix(unit, "-B"):
		return size(v)
	case strings.HasSuffix(unit, "-share"):
		return number(100*v) + "%"
	}
	return number(v)
}

func duration(ns float64) string { return scale(ns, 1000, "ns", "µs", "ms", "s") }
func size(b float64) string      { return scale(b, 1024, "B", "KiB", "MiB", "GiB") }

func scale(v, step float64, units ...string) string {
	i := 0
	for i < len(units)-1 && math.Abs(v) >= step {
		v /= step
		i++
	}
	return number(v) + " " + units[i]
}

// number writes three digits, more only before the point.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return trim(strconv.FormatFloat(v, 'f', 1, 64))
	case a >= 1:
		return trim(strconv.FormatFloat(v, 'f', 2, 64))
	case a >= 0.001:
		return trim(strconv.FormatFloat(v, 'f', 3+zeros(a), 64))
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// zeros counts those between the point and the first digit.
func zeros(a float64) int {
	n := 0
	for ; a < 0.1; a *= 10 {
		n++
	}
	return n
}

func trim(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// figure writes a median with its confidence.
func figure(s Summary, unit string) string {
	text := format(s.Median, unit)
	if !s.Sure {
		return text + " ±?"
	}
	return text + " ±" + strconv.FormatFloat(math.Ceil(100*s.spread()), 'f', 0, 64) + "%"
}
