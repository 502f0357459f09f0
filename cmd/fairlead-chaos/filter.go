package main

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/fairlead-dev/fairlead/internal/replay"
)

// filter is what a sink selects for itself, in which form, and how the checker sees the
// like by other means: by the selectors of the API servers and by what the writers wrote.
type filter struct {
	where   bool // only what is red
	changed bool // only changes of the colour
	drop    bool // without annotations, of which each write changes one
}

// filters are those of the sinks, in turn. The first sink has none.
var filters = []filter{{}, {where: true, drop: true}, {changed: true}, {where: true, changed: true, drop: true}}

// of returns what the i-th sink selects, if sinks have filters.
func (o *options) filterOf(i int) filter {
	if !o.filters {
		return filter{}
	}
	return filters[i%len(filters)]
}

// parameters returns what follows the sink in its flag.
func (f filter) parameters() string {
	var text string
	add := func(name, value string) {
		separator := "&"
		if text == "" {
			separator = "?"
		}
		text += separator + name + "=" + url.PathEscape(value)
	}
	if f.where {
		add("where", fmt.Sprintf("*: object.metadata.?labels[?'%s'].orValue('') == '%s'", colourLabel, red))
	}
	if f.changed {
		add("changed", "metadata.labels")
	}
	if f.drop {
		add("drop", "metadata.annotations")
	}
	return text
}

// narrows returns the selections of all resources with the filter's.
func (f filter) narrows(all []selection) []selection {
	narrowed := make([]selection, len(all))
	for i, s := range all {
		if f.where {
			s.labels = colourLabel + "=" + red
		}
		narrowed[i] = s
	}
	return narrowed
}

// shape is what the checker looks at in an event's object.
type shape struct {
	Metadata struct {
		Labels      map[string]string `json:"labels"`
		Annotations json.RawMessage   `json:"annotations"`
	} `json:"metadata"`
}

// accepts returns the colour of an event's object, or what is wrong with its form.
func (f filter) accepts(e *replay.Event) (colour string, err error) {
	if len(e.Data) == 0 || f == (filter{}) {
		return "", nil
	}
	var o shape
	if err := json.Unmarshal(e.Data, &o); err != nil {
		return "", fmt.Errorf("%s, %s: %w", e.Object, e.ID, err)
	}
	if f.drop && o.Metadata.Annotations != nil {
		return "", fmt.Errorf("%s, %s: it has annotations, which are to be dropped", e.Object, e.ID)
	}
	return o.Metadata.Labels[colourLabel], nil
}
