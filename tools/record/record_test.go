package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// The terminal shows what a progress display draws: lines above a table that is
// redrawn in place.
func TestTerminal(t *testing.T) {
	screen := newTerminal(10, 4)
	for _, step := range []struct{ write, want string }{
		{"one\r\n", "one|"},
		{"a  1\r\nb  2\r\n", "one|a  1|b  2|"},
		{"\x1b[2A\r\x1b[Jtwo\r\na  2\r\nb  3\r\n", "two|a  2|b  3|"}, // "one" has scrolled away
		{"\x1b[1mé0123456789\x1b[0m", "a  2|b  3|é012345678|9"},
		{"\rX", "a  2|b  3|é012345678|X"},
	} {
		screen.write(step.write)
		if got := strings.Join(screen.lines(), "|"); got != step.want {
			t.Errorf("after %q the terminal shows %q, want %q", step.write, got, step.want)
		}
	}
}

func TestFrames(t *testing.T) {
	c := &cast{columns: 20, rows: 5, speed: 2, prompt: "go", pieces: []piece{
		{0, "a"}, {10 * time.Millisecond, "b"}, {time.Second, "c"}, {2 * time.Second, ""}, {time.Minute, "d"},
	}}
	var got []string
	for _, f := range c.frames() {
		got = append(got, strings.Join(f.lines, "|")+" "+f.lasts.String())
	}
	want := []string{"$ go| 50ms", "$ go|ab 450ms", "$ go|abc 1.5s", "$ go|abcd 6s"}
	if !slices.Equal(got, want) {
		t.Errorf("frames %q, want %q", got, want)
	}
	file := filepath.Join(t.TempDir(), "cast")
	if err := c.save(file); err != nil {
		t.Fatal(err)
	}
	if again, err := load(file); err != nil || len(again.frames()) != len(want) {
		t.Errorf("read again: %+v, %v", again, err)
	}
}

// A read may end within a character, which is then whole in the next piece.
func TestCharactersStayWhole(t *testing.T) {
	for _, text := range []string{"é", "a─b", "x🚢", "plain", "\xff\xfe", "é\xe2"} {
		for at := range len(text) + 1 {
			var c cast
			c.add(time.Second, []byte(text[:at]))
			c.add(2*time.Second, []byte(text[at:]))
			var got string
			for _, p := range c.pieces {
				if utf8.ValidString(text) && !utf8.ValidString(p.text) {
					t.Errorf("%q read in two at %d: a piece is %q", text, at, p.text)
				}
				got += p.text
			}
			if got += string(c.begun); got != text {
				t.Errorf("%q read in two at %d: %q", text, at, got)
			}
		}
	}
}

func TestColours(t *testing.T) {
	if got, want := coloured("  3s  a<b is live"), `<tspan class="s">  3s  </tspan>a&lt;b is <tspan class="g">live</tspan>`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// The pictures in docs are what the recording beside them gives.
func TestPicturesAreOfTheRecording(t *testing.T) {
	c, err := load("../../docs/img/demo.cast")
	if err != nil {
		t.Fatal(err)
	}
	for file, p := range map[string]palette{"demo-light.svg": light, "demo-dark.svg": dark} {
		got, err := os.ReadFile(filepath.Join("../../docs/img", file))
		if err != nil || !bytes.Equal(got, film(c.frames(), c.columns, c.rows, p)) {
			t.Errorf("docs/img/%s is not what docs/img/demo.cast gives (%v): run make docs", file, err)
		}
	}
}
