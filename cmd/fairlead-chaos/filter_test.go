package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/replay"
)

func TestParametersOfFilters(t *testing.T) {
	for _, test := range []struct {
		filter filter
		want   string
	}{
		{filter{}, ""},
		{filter{changed: true}, "?changed=metadata.labels"},
		{filter{where: true, drop: true}, "?where=%2A:%20object.metadata.%3Flabels%5B%3F%27colour%27%5D.orValue%28%27%27%29%20==%20%27red%27&drop=metadata.annotations"},
	} {
		if got := test.filter.parameters(); got != test.want {
			t.Errorf("%+v: %s, want %s", test.filter, got, test.want)
		}
	}
}

// To a sink that gets changes of the colour only, versions of one colour are one.
func TestCompareByColour(t *testing.T) {
	of := func(uid string) replay.Object { return replay.Object{Cluster: "c", Name: uid, UID: uid} }
	ev := &evidence{
		held: map[replay.Object]string{of("red"): "9", of("blue"): "9", of("turned"): "9", of("missing"): "9"},
		red:  map[replay.Object]string{of("red"): "9", of("turned"): "9"},
	}
	told := func() map[replay.Object]string {
		return map[replay.Object]string{of("red"): "5", of("blue"): "5", of("turned"): "5"}
	}
	colours := map[version]string{{of("red"), "5"}: red, {of("blue"), "5"}: blue, {of("turned"), "5"}: blue}
	if d := ev.compare(told(), colours); len(d.Missing) != 4 {
		t.Errorf("without a filter: %q", d.Missing)
	}
	ev.filter.changed = true
	if d := ev.compare(told(), colours); len(d.Missing) != 2 {
		t.Errorf("with one: %q", d.Missing)
	}
}

func TestShapeOfEvents(t *testing.T) {
	e := &replay.Event{ID: "1", Data: []byte(`{"metadata":{"labels":{"colour":"red"},"annotations":{"write":"1"}}}`)}
	for _, test := range []struct {
		filter filter
		want   string
		wrong  bool
	}{
		{filter{}, "", false},
		{filter{changed: true}, red, false},
		{filter{drop: true}, "", true},
	} {
		got, err := test.filter.accepts(e)
		if diff := cmp.Diff(test.want, got); diff != "" || (err != nil) != test.wrong {
			t.Errorf("%+v: %s%v", test.filter, diff, err)
		}
	}
}
