package election

import (
	"testing"
	"time"
)

// Since tells of each holder, Unsettled of the unrest that they are part of.
func TestTenure(t *testing.T) {
	began := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	at := func(second int) time.Time { return began.Add(time.Duration(second) * time.Second) }
	type seen struct {
		second int
		holder string
	}
	for name, test := range map[string]struct {
		seen             []seen
		now              int
		since, unsettled int // -1: never
	}{
		"nobody was ever seen":         {nil, 30, 0, -1},
		"nobody":                       {[]seen{{1, ""}}, 30, 0, -1},
		"the first one":                {[]seen{{1, ""}, {5, "a"}}, 6, 5, 0},
		"the first one, for long":      {[]seen{{1, ""}, {5, "a"}}, 20, 5, -1},
		"one that was there":           {[]seen{{1, "a"}}, 3, 1, -1},
		"one that was there has gone":  {[]seen{{1, "a"}, {9, ""}}, 10, 9, 9},
		"a handover":                   {[]seen{{1, "a"}, {100, ""}, {102, "b"}}, 103, 102, 100},
		"a handover that has ended":    {[]seen{{1, "a"}, {100, ""}, {102, "b"}}, 117, 102, -1},
		"a handover without a gap":     {[]seen{{1, "a"}, {100, "b"}}, 101, 100, 100},
		"every ten seconds another":    {[]seen{{1, "a"}, {100, "b"}, {110, "a"}, {120, "b"}, {130, "a"}, {140, "b"}}, 145, 140, 100},
		"every ten seconds none":       {[]seen{{1, "a"}, {100, ""}, {101, "b"}, {110, ""}, {112, "a"}, {120, ""}, {199, "b"}, {205, ""}}, 206, 205, 100},
		"unrest that has ended":        {[]seen{{1, "a"}, {100, "b"}, {110, "a"}, {120, "b"}}, 135, 120, -1},
		"another unrest":               {[]seen{{1, "a"}, {100, "b"}, {110, "a"}, {120, "b"}, {200, ""}}, 201, 200, 200},
		"the same one is seen again":   {[]seen{{1, "a"}, {100, "b"}, {101, "b"}, {102, "b"}}, 103, 100, 100},
		"nobody for long settles none": {[]seen{{1, "a"}, {100, ""}, {160, "b"}, {165, ""}}, 166, 165, 100},
	} {
		x := tenure{since: began}
		for _, s := range test.seen {
			x.see(s.holder, at(s.second))
		}
		var want time.Time
		if test.unsettled >= 0 {
			want = at(test.unsettled)
		}
		if got := x.unsettled(at(test.now)); !x.since.Equal(at(test.since)) || !got.Equal(want) {
			t.Errorf("%s: since %v, unsettled since %v", name, x.since.Sub(began), got.Sub(began))
		}
	}
}
