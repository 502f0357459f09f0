package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	"github.com/google/go-cmp/cmp"
)

var someRows = []row{
	{cluster: quiet, state: "live", observed: 290, throttled: 147, delivered: 290, lag: 3345 * time.Microsecond, hasLag: true},
	{cluster: flooding, state: "live", observed: 7499, coalesced: 5254, throttled: 1935, delivered: 2781, lag: 946 * time.Millisecond, hasLag: true},
	{cluster: faraway, state: "backing off", observed: 232, throttled: 147, delivered: 232},
}

func TestDrawTable(t *testing.T) {
	want := `
  cluster     state           observed   coalesced   throttled   delivered        lag
  quiet       live                 290           0         147         290     3.3 ms
  flooding    live                7499        5254        1935        2781     946 ms
  faraway     backing off          232           0         147         232          -`
	if diff := cmp.Diff(want, strings.Join(drawTable(someRows, 100), "\n")); diff != "" {
		t.Error(diff)
	}
	for _, width := range []int{1, 20, 80} {
		for _, line := range drawTable(someRows, width) {
			if len(line) >= width {
				t.Errorf("in %d columns a line has %d: %q", width, len(line), line)
			}
		}
	}
}

func TestPlainRows(t *testing.T) {
	want := []string{
		"  quiet     live          observed 290    coalesced 0      throttled 147    delivered 290    lag 3.3 ms",
		"  flooding  live          observed 7499   coalesced 5254   throttled 1935   delivered 2781   lag 946 ms",
		"  faraway   backing off   observed 232    coalesced 0      throttled 147    delivered 232    lag -",
	}
	if diff := cmp.Diff(want, plainRows(someRows)); diff != "" {
		t.Error(diff)
	}
}

func TestDrawOutcomes(t *testing.T) {
	want := `  cluster       objects    written    arrived        p50        p99
  quiet             186         90         90     5.5 ms      33 ms
  flooding          138       7950       2980      1.0 s      3.1 s
  faraway           200          0          0          -          -
`
	got := drawOutcomes([]outcome{
		{cluster: quiet, objects: 186, written: 90, arrived: 90, p50: 5500 * time.Microsecond, p99: 33 * time.Millisecond},
		{cluster: flooding, objects: 138, written: 7950, arrived: 2980, p50: time.Second, p99: 3070 * time.Millisecond},
		{cluster: faraway, objects: 200},
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDrawCommand(t *testing.T) {
	want := `         fairlead run \
           --watch configmaps \
           --sink file:x`
	if diff := cmp.Diff(want, drawCommand("fairlead", []string{"run", "--watch", "configmaps", "--sink", "file:x"})); diff != "" {
		t.Error(diff)
	}
}

// What a terminal shows after the bytes of a table that was drawn twice, with a
// line said in between.
func TestScreenRedrawsInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := &screen{start: time.Now(), terminal: true, width: func() int { return 100 }, out: &out}
		rows := []row{{cluster: quiet, state: "live", observed: 1}}
		s.show(rows)
		s.say("one")
		rows[0].observed = 2
		s.show(rows)
		s.leave()
		s.print("below")
		want := []string{
			"   0s  one",
			"",
			"  cluster     state           observed   coalesced   throttled   delivered        lag",
			"  quiet       live                   2           0           0           0          -",
			"below",
			"",
		}
		if diff := cmp.Diff(want, terminal(t, out.String())); diff != "" {
			t.Error(diff)
		}
	})
}

// terminal returns the lines on a terminal that was sent text. It knows the two
// sequences that a screen uses.
func terminal(t *testing.T, text string) []string {
	lines := []string{""}
	for text != "" {
		at := len(lines) - 1
		switch {
		case strings.HasPrefix(text, "\x1b["):
			up := int(text[2] - '0')
			rest, ok := strings.CutPrefix(text[3:], "A\r\x1b[J")
			if !ok || up > at {
				t.Fatalf("unexpected sequence in %q", text)
			}
			lines = append(lines[:at-up:at-up], "")
			text = rest
		case text[0] == '\n':
			lines = append(lines, "")
			text = text[1:]
		default:
			lines[at] += text[:1]
			text = text[1:]
		}
	}
	return lines
}

func TestScreenWithoutTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := &screen{start: time.Now(), out: &out}
		rows := []row{{cluster: quiet, state: "live"}}
		for i := range 12 { // seconds
			rows[0].observed = i
			s.show(rows)
			time.Sleep(time.Second)
		}
		// Nothing changes any more: nothing is said.
		for range 12 {
			s.show(rows)
			time.Sleep(time.Second)
		}
		want := "" +
			"   0s    quiet     live          observed 0      coalesced 0      throttled 0      delivered 0      lag -\n" +
			"   5s    quiet     live          observed 5      coalesced 0      throttled 0      delivered 0      lag -\n" +
			"  10s    quiet     live          observed 10     coalesced 0      throttled 0      delivered 0      lag -\n" +
			"  15s    quiet     live          observed 11     coalesced 0      throttled 0      delivered 0      lag -\n"
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Error(diff)
		}
	})
}
