package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
	"unicode/utf8"
)

// cast is a recording.
type cast struct {
	columns, rows int
	prompt        string
	speed         float64
	pieces        []piece
	begun         []byte // the beginning of a character, the end of which is still to come
}

// piece is output that came at once.
type piece struct {
	at   time.Duration // since the start
	text string
}

// header is the first line of a cast's file.
type header struct {
	Version int     `json:"version"` // 2
	Width   int     `json:"width"`
	Height  int     `json:"height"`
	Command string  `json:"command,omitempty"`
	Speed   float64 `json:"fairlead_speed,omitempty"` // of the pictures
}

// add takes output as it is read. What ends within a character is kept until the
// rest of that has come.
func (c *cast) add(at time.Duration, output []byte) {
	output = append(c.begun, output...)
	end := len(output)
	for i := end - 1; i >= max(end-utf8.UTFMax, 0); i-- {
		if utf8.RuneStart(output[i]) {
			if !utf8.FullRune(output[i:]) {
				end = i
			}
			break
		}
	}
	c.begun = slices.Clone(output[end:])
	if end > 0 {
		c.pieces = append(c.pieces, piece{at, string(output[:end])})
	}
}

func (c *cast) save(file string) error {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	lines.SetEscapeHTML(false)
	err := lines.Encode(header{Version: 2, Width: c.columns, Height: c.rows, Command: c.prompt, Speed: c.speed})
	for _, p := range c.pieces {
		if err == nil {
			err = lines.Encode([]any{float64(p.at.Milliseconds()) / 1000, "o", p.text})
		}
	}
	if err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

func load(file string) (*cast, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	var h header
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &h) != nil || h.Version != 2 || h.Width < 1 || h.Height < 1 || h.Speed <= 0 {
		return nil, fmt.Errorf("%s is no recording of asciinema's version 2 with a size and a speed", file)
	}
	c := &cast{columns: h.Width, rows: h.Height, prompt: h.Command, speed: h.Speed}
	for lines.Scan() {
		var at float64
		var kind, text string
		if err := json.Unmarshal(lines.Bytes(), &[]any{&at, &kind, &text}); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if kind == "o" {
			c.pieces = append(c.pieces, piece{time.Duration(at * float64(time.Second)), text})
		}
	}
	return c, lines.Err()
}

// frame is what the terminal shows for a while.
type frame struct {
	lines []string
	lasts time.Duration
}

const (
	together = 50 * time.Millisecond // between pieces that are shown as one
	shortest = 50 * time.Millisecond // for which a frame is shown
	longest  = 1500 * time.Millisecond
	lastOne  = 6 * time.Second
)

// frames plays the recording at its speed.
func (c *cast) frames() []frame {
	screen := newTerminal(c.columns, c.rows)
	var frames []frame
	shown := time.Duration(0) // when the last frame began
	show := func(at time.Duration) {
		if n := len(frames); n > 0 {
			frames[n-1].lasts = min(at-shown, longest)
		}
		frames, shown = append(frames, frame{lines: screen.lines()}), at
	}
	if c.prompt != "" {
		screen.write("$ " + c.prompt + "\r\n")
		show(0)
	}
	for i, p := range c.pieces {
		screen.write(p.text)
		now := time.Duration(float64(p.at) / c.speed)
		if i+1 < len(c.pieces) && c.pieces[i+1].at-p.at < together {
			continue // one write of the program
		}
		if n := len(frames); n == 0 || !slices.Equal(frames[n-1].lines, screen.lines()) {
			show(max(now, shown+shortest))
		}
	}
	if len(frames) > 0 { // a program may print nothing
		frames[len(frames)-1].lasts = lastOne
	}
	return frames
}
