package ctl

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// sort orders the rows as --sort-by says; rows that are equal by it stay as they are.
func (o *Output) sort(t *Table) error {
	if o.sortBy == "" {
		return nil
	}
	order := make([]int, len(t.Rows))
	for i := range order {
		order[i] = i
	}
	before, err := o.order(t)
	if err != nil {
		return err
	}
	slices.SortStableFunc(order, before)
	rows, items := t.Rows, t.Items
	t.Rows = make([][]string, len(rows))
	for to, from := range order {
		t.Rows[to] = rows[from]
	}
	if len(items) == len(rows) {
		t.Items = make([]any, len(items))
		for to, from := range order {
			t.Items[to] = items[from]
		}
	}
	return nil
}

// order returns how two rows compare.
func (o *Output) order(t *Table) (func(a, b int) int, error) {
	column := slices.IndexFunc(t.Columns, func(c Column) bool { return strings.EqualFold(c.Name, o.sortBy) })
	if column >= 0 {
		return func(a, b int) int { return compareCells(t.Rows[b][column], t.Rows[a][column]) }, nil
	}
	if !strings.ContainsAny(o.sortBy[:1], ".{[") {
		var names []string
		for _, c := range t.Columns {
			names = append(names, strings.ToLower(c.Name))
		}
		return nil, &pointlessError{fmt.Errorf("--sort-by %q: there is no such column; there are %s, or give a JSONPath such as {.since}", o.sortBy, strings.Join(names, ", "))}
	}
	if len(t.Items) != len(t.Rows) {
		return nil, &pointlessError{fmt.Errorf("--sort-by %q: what this command prints is ordered by columns only", o.sortBy)}
	}
	path, err := newPath(o.sortBy)
	if err != nil {
		return nil, &pointlessError{fmt.Errorf("--sort-by: %w", err)}
	}
	keys := make([]string, len(t.Items))
	for i, item := range t.Items {
		if keys[i], err = path.text(item); err != nil {
			return nil, fmt.Errorf("--sort-by: %w", err)
		}
	}
	return func(a, b int) int {
		if isText(keys[a]) && isText(keys[b]) {
			return cmp.Compare(keys[a], keys[b])
		}
		return -compareCells(keys[b], keys[a])
	}, nil
}

func isText(cell string) bool {
	_, is := magnitude(cell)
	return !is
}

// compareCells compares two cells so that the greater one is shown first: numbers,
// durations and sizes by their magnitude, before texts, which go by the alphabet.
func compareCells(a, b string) int {
	m, isM := magnitude(a)
	n, isN := magnitude(b)
	switch {
	case isM && isN:
		return cmp.Compare(m, n)
	case isM:
		return 1
	case isN:
		return -1
	}
	return cmp.Compare(b, a)
}

// magnitude returns the number that a cell shows: as it is, as a duration, or as a size;
// of two with a slash between them the first.
func magnitude(cell string) (float64, bool) {
	cell, _, _ = strings.Cut(strings.TrimSuffix(cell, "%"), "/")
	if cell == "" || cell[0] < '0' || cell[0] > '9' {
		return 0, false
	}
	if f, err := strconv.ParseFloat(cell, 64); err == nil {
		return f, true
	}
	if days, rest, ok := strings.Cut(cell, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil {
			d, err := time.ParseDuration(cmp.Or(rest, "0s"))
			return (time.Duration(n)*24*time.Hour + d).Seconds(), err == nil
		}
	}
	if d, err := time.ParseDuration(cell); err == nil {
		return d.Seconds(), true
	}
	if q, err := resource.ParseQuantity(cell); err == nil {
		return q.AsApproximateFloat64(), true
	}
	return 0, false
}
