package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/synctest"
)

func TestPercentile(t *testing.T) {
	upTo := func(n int) []time.Duration {
		var samples []time.Duration
		for i := range n {
			samples = append(samples, time.Duration(n-i)) // Not sorted.
		}
		return samples
	}
	for _, test := range []struct {
		samples int // n..1
		p       float64
		want    time.Duration
	}{
		{1, 99, 1},
		{1, 0, 1},
		{2, 50, 1},
		{3, 50, 2},
		{10, 99, 10},
		{99, 99, 99},
		{100, 99, 99},
		{101, 99, 100},
		{1000, 99, 990},
		{1000, 100, 1000},
	} {
		if got, ok := percentile(upTo(test.samples), test.p); !ok || got != test.want {
			t.Errorf("p%v of 1 to %d is %d, want %d", test.p, test.samples, got, test.want)
		}
	}
	if got, ok := percentile(nil, 99); ok {
		t.Errorf("p99 of nothing is %v", got)
	}
}

func TestMilliseconds(t *testing.T) {
	for want, sample := range map[float64]time.Duration{
		0.1:    90 * time.Microsecond,
		32.9:   32_874 * time.Microsecond,
		3068.9: 3_068_944 * time.Microsecond,
	} {
		if got := milliseconds([]time.Duration{sample}); got == nil || *got != want {
			t.Errorf("%v is %v ms, want %v", sample, got, want)
		}
	}
	if got := milliseconds(nil); got != nil {
		t.Errorf("p99 of nothing is %v, want null", *got)
	}
}

func TestStamps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStamps()
		time.Sleep(time.Second)
		written := &replay.Event{Data: fmt.Appendf(nil, `{"data":{"written":%q}}`, s.now())}
		s.deleting("A")
		time.Sleep(3 * time.Millisecond)

		for name, test := range map[string]struct {
			event *replay.Event
			want  time.Duration // unknown if 0
		}{
			"state":                   {event: written, want: 3 * time.Millisecond},
			"deletion":                {event: &replay.Event{Object: replay.Object{UID: "A"}, Deleted: true}, want: 3 * time.Millisecond},
			"deletion by someone":     {event: &replay.Event{Object: replay.Object{UID: "B"}, Deleted: true}},
			"state without stamp":     {event: &replay.Event{Data: []byte(`{"data":{"payload":"x"}}`)}},
			"state that has no data":  {event: &replay.Event{Data: []byte(`{}`)}},
			"deletion with its state": {event: &replay.Event{Object: replay.Object{UID: "B"}, Deleted: true, Data: written.Data}},
		} {
			got, ok, err := s.age(test.event)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if ok != (test.want != 0) || ok && got != test.want {
				t.Errorf("%s: %v, %v; want %v", name, got, ok, test.want)
			}
		}
		for _, data := range []string{`{"data":{"written":"soon"}}`, `[]`} {
			if _, _, err := s.age(&replay.Event{Data: []byte(data)}); err == nil {
				t.Errorf("no error from %s", data)
			}
		}
	})
}
