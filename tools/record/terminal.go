package main

import (
	"regexp"
	"strconv"
	"strings"
)

// terminal keeps what a program shows.
type terminal struct {
	columns, rows int
	cells         [][]rune // all lines that there have been
	x, y          int      // of the cursor
}

func newTerminal(columns, rows int) *terminal {
	return &terminal{columns: columns, rows: rows, cells: make([][]rune, 1)}
}

var control = regexp.MustCompile(`^\x1b\[([0-9;?]*)([A-Za-z])`)

// write takes output. A piece ends in no middle of a control sequence, because
// programs write whole ones.
func (t *terminal) write(text string) {
	for len(text) > 0 {
		if m := control.FindStringSubmatch(text); m != nil {
			t.control(m[1], m[2])
			text = text[len(m[0]):]
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		switch {
		case r == '\n':
			t.down()
		case r == '\r':
			t.x = 0
		case r == '\t':
			t.x = min((t.x/8+1)*8, t.columns-1)
		case r >= ' ':
			t.put(r)
		}
	}
}

func (t *terminal) control(argument, name string) {
	switch name {
	case "A":
		n, err := strconv.Atoi(argument)
		if err != nil {
			n = 1
		}
		t.y = max(t.y-n, len(t.cells)-t.rows, 0)
	case "J":
		t.cells = t.cells[:t.y+1]
		t.cells[t.y] = t.cells[t.y][:min(t.x, len(t.cells[t.y]))]
	}
}

func (t *terminal) down() {
	if t.y++; t.y == len(t.cells) {
		t.cells = append(t.cells, nil)
	}
}

func (t *terminal) put(r rune) {
	if t.x == t.columns {
		t.x = 0
		t.down()
	}
	line := t.cells[t.y]
	for len(line) <= t.x {
		line = append(line, ' ')
	}
	line[t.x] = r
	t.cells[t.y] = line
	t.x++
}

// lines returns what can be seen, from top to bottom.
func (t *terminal) lines() []string {
	seen := t.cells[max(len(t.cells)-t.rows, 0):]
	lines := make([]string, len(seen))
	for i, line := range seen {
		lines[i] = strings.TrimRight(string(line), " ")
	}
	return lines
}
