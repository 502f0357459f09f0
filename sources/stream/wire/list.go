package wire

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ErrNotJSON is said of a body that is not JSON, or not the JSON of a list.
// What a server sends that is not what was asked for.
var (
	ErrNotJSON   = errors.New("the answer is not JSON of the expected form")
	ErrMalformed = errors.New("the server sent something that is not a frame of a watch or a list")
)

// ListMeta is what a list says about itself. It may stand before the items or
// behind them.
type ListMeta struct {
	ResourceVersion string `json:"resourceVersion"`
	Continue        string `json:"continue"`
}

// Next returns the token of the page after one that was asked for by a token; it
// is empty behind the last page. A page may be empty though others follow, but
// one that is followed by itself leads nowhere.
func (m ListMeta) Next(token string) (string, error) {
	if m.Continue != "" && m.Continue == token {
		return "", fmt.Errorf("%w: a page of the list is followed by itself", ErrMalformed)
	}
	return m.Continue, nil
}

// ListReader splits the body of a LIST into its items as they arrive, so that
// no more than one item is held. It finds where values end and leaves it to
// the scanner to say whether they are JSON.
type ListReader struct {
	r      *bufio.Reader
	value  *Spill
	limit  int
	inside listPart
	had    [2]bool // items, metadata: each may come once
	// Meta is complete once next has returned io.EOF.
	Meta ListMeta
}

type listPart uint8

const (
	beforeList listPart = iota
	inList
	inItems
)

// NewListReader returns a reader of the items of a list that r begins.
func NewListReader(r io.Reader, s *Spill) *ListReader {
	return &ListReader{r: bufio.NewReaderSize(r, ReadBuffer), value: s, limit: MaxFrame}
}

// Next returns the next item; it is valid until the next call. Of an item
// longer than the limit it returns the start, tooLong. The error is io.EOF
// after the last item, once the whole list has been read; a body that ends
// before that is an io.ErrUnexpectedEOF.
func (l *ListReader) Next() (item []byte, tooLong bool, err error) {
	l.value.Drop() // nothing is held while the next one is waited for
	for {
		c, err := l.peek()
		if err != nil {
			return nil, false, err
		}
		switch l.inside {
		case beforeList:
			if c != '{' {
				return nil, false, ErrNotJSON
			}
			l.drop()
			l.inside = inList
		case inList:
			switch c {
			case ',':
				l.drop()
			case '}':
				l.drop()
				return nil, false, io.EOF
			default:
				if err := l.member(); err != nil {
					return nil, false, err
				}
			}
		case inItems:
			switch c {
			case ',':
				l.drop()
			case ']':
				l.drop()
				l.inside = inList
			default:
				tooLong, err := l.read()
				return l.value.b, tooLong, err
			}
		}
	}
}

// member reads a member of the list up to its end, or up to its first item.
func (l *ListReader) member() error {
	if _, err := l.read(); err != nil {
		return err
	}
	var name string
	if json.Unmarshal(l.value.b, &name) != nil {
		return ErrNotJSON
	}
	if c, err := l.peek(); err != nil {
		return err
	} else if c != ':' {
		return ErrNotJSON
	}
	l.drop()
	c, err := l.peek()
	if err != nil {
		return err
	}
	for i, once := range [...]string{"items", "metadata"} {
		if name == once {
			if l.had[i] {
				return fmt.Errorf("%w: the list has two %s", ErrNotJSON, name)
			}
			l.had[i] = true
		}
	}
	if name == "items" && c == '[' {
		l.drop()
		l.inside = inItems
		return nil
	}
	if _, err := l.read(); err != nil {
		return err
	}
	if name == "metadata" {
		if err := json.Unmarshal(l.value.b, &l.Meta); err != nil {
			return fmt.Errorf("%w: metadata of the list: %w", ErrNotJSON, err)
		}
		if len(l.Meta.ResourceVersion) > MaxShort {
			return fmt.Errorf("%w: the list's resourceVersion has %d bytes", ErrNotJSON, len(l.Meta.ResourceVersion))
		}
	}
	return nil
}

// more waits until something can be read.
func (l *ListReader) more() error {
	_, err := l.r.Peek(1)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// peek returns the next byte that is no white space.
func (l *ListReader) peek() (byte, error) {
	for {
		if err := l.more(); err != nil {
			return 0, err
		}
		b, _ := l.r.Peek(1)
		switch b[0] {
		case ' ', '\t', '\r', '\n':
			l.drop()
		default:
			return b[0], nil
		}
	}
}

// drop consumes the byte that peek returned.
func (l *ListReader) drop() { _, _ = l.r.Discard(1) } // it is in the buffer

// read reads one value into l.value.
func (l *ListReader) read() (tooLong bool, err error) {
	l.value.Drop()
	var v valueEnd
	for {
		if err := l.more(); err != nil {
			return tooLong, err
		}
		chunk, _ := l.r.Peek(l.r.Buffered())
		n, done := v.find(chunk)
		keep := chunk[:n]
		if room := l.limit - len(l.value.b); len(keep) > room {
			keep, tooLong = keep[:room], true
		}
		if err := l.value.add(keep); err != nil {
			return tooLong, err
		}
		_, _ = l.r.Discard(n)
		if done {
			if len(l.value.b) == 0 {
				return false, ErrNotJSON // punctuation where a value should be
			}
			return tooLong, nil
		}
	}
}

// valueEnd finds the end of a JSON value that comes in pieces.
type valueEnd struct {
	depth   int
	started bool
	text    bool // inside a string
	escaped bool // behind a backslash
}

// find returns how many bytes of chunk belong to the value, and whether it
// ends there.
func (v *valueEnd) find(chunk []byte) (n int, done bool) {
	for i, c := range chunk {
		if v.text {
			switch {
			case v.escaped:
				v.escaped = false
			case c == '\\':
				v.escaped = true
			case c == '"':
				v.text = false
				if v.depth == 0 {
					return i + 1, true
				}
			}
			continue
		}
		switch c {
		case '"':
			if v.depth == 0 && v.started {
				return i, true
			}
			v.text = true
		case '{', '[':
			if v.depth == 0 && v.started {
				return i, true
			}
			v.depth++
		case '}', ']':
			if v.depth == 0 {
				return i, true
			}
			if v.depth--; v.depth == 0 {
				return i + 1, true
			}
		case ',', ':', ' ', '\t', '\r', '\n':
			if v.depth == 0 {
				return i, true
			}
		}
		v.started = true
	}
	return len(chunk), false
}
