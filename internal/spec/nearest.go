package spec

import (
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	nearestDistance = 2  // letters that differ at most
	nearestLength   = 64 // bytes of a name beyond which nothing is near it
)

// Nearest returns which of the known names may have been meant by one that is
// unknown: those that are equal but for case, dashes and underscores; else those
// that begin with it or differ from it by at most two letters, the nearest first.
func Nearest(name string, known []string) []string {
	typed := letters(name)
	if typed == "" || len(name) > nearestLength {
		return nil
	}
	type near struct {
		name     string
		distance int
	}
	var all []near
	for _, k := range known {
		other := letters(k)
		d := distance(typed, other)
		if d > nearestDistance && strings.HasPrefix(other, typed) {
			d = nearestDistance
		}
		// Of a short name, more must be right than is wrong.
		if d <= nearestDistance && (2*d < max(utf8.RuneCountInString(typed), utf8.RuneCountInString(other)) || strings.HasPrefix(other, typed)) {
			all = append(all, near{k, d})
		}
	}
	slices.SortStableFunc(all, func(a, b near) int { return a.distance - b.distance })
	var names []string
	for _, n := range all {
		if all[0].distance > 0 || n.distance == 0 {
			names = append(names, n.name)
		}
	}
	return names
}

func letters(s string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(s))
}

// distance is Levenshtein's: how many letters must be put in, taken out or
// replaced to turn a into b.
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range to {
			cost := diagonal
			if x != y {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, diagonal+1, row[j]+1)
		}
	}
	return row[len(to)]
}

// didYouMean is the end of a message about an unknown name.
func didYouMean(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(names, " or ") + "?"
}
