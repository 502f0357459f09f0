package deadletter

import (
	"context"
	"errors"
	"fmt"
)

// Lanes that end at about the same time share a write to the file and its sync, which take the
// longest. So what is refused meanwhile waits for one write, and not for one of each lane:
//
//	lane ──▶ ┐
//	lane ──▶ ├── line ── one of them has the turn ──▶ a write of up to 1 MiB, for all in the line
//	lane ──▶ ┘

// putting is what somebody has put back. It is in the line until it is done.
type putting struct {
	t    *Taken
	ends func() error // why it is to end now; nil: it is not
	done chan struct{}

	// Of the one that has the turn; afterwards of the one that waits for done:
	left    []Entry
	written []Entry // in the write that is under way
	bad     badLines
	err     error
}

// putBack puts lines back into the file, until ctx ends. It passes over those that it cannot
// read, which stay where they are. Those that it could not put back it notes, for the next Take.
func (t *Taken) putBack(ctx context.Context, all []Entry) (badLines, error) {
	if len(all) == 0 {
		return badLines{}, nil
	}
	f := t.file
	p := &putting{t: t, ends: func() error { return context.Cause(ctx) }, done: make(chan struct{}), left: all}
	f.mu.Lock()
	f.putting = append(f.putting, p)
	f.mu.Unlock()
	for {
		select {
		case <-p.done:
			if p.err != nil {
				p.err = fmt.Errorf("put dead letters back: %w", p.err)
			}
			return p.bad, p.err
		case f.back <- struct{}{}:
			f.putBackSome()
			<-f.back
		}
	}
}

// putBackSome puts as many lines of the line back as are a chunk, at least one, for the caller,
// who has the turn. What is done leaves the line.
func (f *File) putBackSome() {
	f.mu.Lock()
	all := f.putting
	f.putting = nil
	f.mu.Unlock()
	var text []byte
	for _, p := range all {
		if p.err = p.ends(); p.err == nil {
			text = p.read(text)
		}
	}
	var err error
	if len(text) > 0 {
		err = f.write(func(dst []byte) []byte { return append(dst, text...) })
	}
	var stay, gone []*putting
	for _, p := range all {
		if p.wrote(err); p.err == nil && len(p.left) > 0 {
			stay = append(stay, p)
		} else {
			gone = append(gone, p)
		}
	}
	f.mu.Lock()
	f.putting = append(stay, f.putting...)
	for _, p := range gone {
		p.t.stuck = append(p.t.stuck, p.left...)
		p.t.left = p.t.left || p.bad.n > 0
	}
	f.mu.Unlock()
	for _, p := range gone {
		close(p.done)
	}
}

// read appends lines as far as there is room for them.
func (p *putting) read(dst []byte) []byte {
	for len(p.left) > 0 && (len(dst) == 0 || int64(len(dst))+p.left[0].Size() <= chunk) {
		e := p.left[0]
		p.left = p.left[1:]
		text, err := p.t.text(dst, e)
		if err != nil {
			p.bad.add(err)
			continue
		}
		dst = text
		p.written = append(p.written, e)
	}
	return dst
}

// wrote notes what came of a write.
func (p *putting) wrote(err error) {
	switch {
	case err == nil:
		for _, e := range p.written {
			p.err = errors.Join(p.err, p.t.mark(e))
		}
	case len(p.written)+len(p.left) > 0: // those that had no room would fare no better
		p.left = append(p.written, p.left...)
		p.err = errors.Join(p.err, err)
	}
	p.written = nil
}

// badLines counts lines that are no records, or cannot be read.
type badLines struct {
	n    int
	told []error // what is wrong with the first of them
}

func (b *badLines) add(err error) {
	if b.n++; len(b.told) < mostTold {
		b.told = append(b.told, err)
	}
}

func (b *badLines) addAll(more badLines) {
	b.n += more.n
	b.told = append(b.told, more.told[:min(len(more.told), mostTold-len(b.told))]...)
}

// err tells of them; nil: there are none.
func (b *badLines) err() error {
	if b.n == 0 {
		return nil
	}
	return fmt.Errorf("%d dead letters could not be put back, and stay where they are: %w", b.n, errors.Join(b.told...))
}
