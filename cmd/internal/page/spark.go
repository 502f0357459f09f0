package page

import (
	"html/template"
	"strconv"
	"strings"
)

// The size of a sparkline in units of its own; the style sheet says how large it is shown.
const (
	sparkWidth  = 90
	sparkHeight = 20
)

// spark draws values as a line, the oldest at the left, between 0 and their largest or
// floor, whichever is more. Where a value is negative, nothing is known, and the line has a
// gap. What it returns holds numbers only.
func spark(values []float64, floor float64) template.HTML {
	most := floor
	known := false
	for _, v := range values {
		most, known = max(most, v), known || v >= 0
	}
	var path strings.Builder
	before, was := -1, false
	for i, v := range values {
		if v < 0 {
			was = false
			continue
		}
		x, y := i*sparkWidth/max(len(values)-1, 1), sparkHeight-1-int(v/max(most, 1e-9)*(sparkHeight-2)+.5)
		following := i+1 < len(values) && values[i+1] >= 0
		switch {
		case !was:
			path.WriteString("M" + strconv.Itoa(x) + " " + strconv.Itoa(y))
			if !following {
				path.WriteString("h1") // a point by itself
			}
		case y == before && following && level(values[i+1], most) == y:
			// in the middle of a level line
		case y == before:
			path.WriteString("H" + strconv.Itoa(x))
		default:
			path.WriteString("L" + strconv.Itoa(x) + " " + strconv.Itoa(y))
		}
		before, was = y, true
	}
	if !known {
		return ""
	}
	return template.HTML(`<svg class="spark" viewBox="0 0 ` + strconv.Itoa(sparkWidth) + ` ` + strconv.Itoa(sparkHeight) + //nolint:gosec // Numbers only.
		`" preserveAspectRatio="none" aria-hidden="true" focusable="false"><path d="` + path.String() + `"/></svg>`)
}

func level(v, most float64) int {
	return sparkHeight - 1 - int(v/max(most, 1e-9)*(sparkHeight-2)+.5)
}

// largest returns the largest value, -1 if none is known.
func largest(values []float64) float64 {
	most := -1.
	for _, v := range values {
		most = max(most, v)
	}
	return most
}

// halved keeps the larger of each two values, for small pictures.
func halved(values []float64) []float64 {
	out := make([]float64, 0, (len(values)+1)/2)
	for i := 0; i < len(values); i += 2 {
		v := values[i]
		if i+1 < len(values) {
			v = max(v, values[i+1])
		}
		out = append(out, v)
	}
	return out
}
