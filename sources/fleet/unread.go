package fleet

import (
	"fmt"
	"slices"
	"time"
)

const (
	// leastPolls are the readings after which a file counts as read: it is looked at twice.
	leastPolls = 2
	// unreadAfter is for how long a source may say nothing from the start on, until that
	// is a problem. The next poll tells it.
	unreadAfter = 5 * time.Second
)

var errUnread = fmt.Errorf("it has not been read yet: what it is read from, such as the hub, takes requests and has not answered them in full for %v; "+
	"its clusters join the fleet once it does", unreadAfter)

// SourceStatus tells whether a provider has been read.
type SourceStatus struct {
	// Source is the provider as it is written on the command line.
	Source string
	// Known is set once the handler has been told of each cluster that the provider
	// describes well. It stays set: of a provider that cannot be read any more, the last
	// descriptions count. A Follower that is no Completer counts as known at once.
	Known bool
}

// Sources returns a status for each provider, in the order of Options.Providers. It may be
// called by any goroutine.
func (f *Fleet) Sources() []SourceStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]SourceStatus, len(f.opts.Providers))
	for i, p := range f.opts.Providers {
		all[i] = SourceStatus{p.String(), f.read[i]}
	}
	return all
}

// isComplete reports whether each provider has been read.
func (f *Fleet) isComplete() bool {
	return !slices.ContainsFunc(f.scanners, func(s Scanner) bool {
		c, tells := s.(Completer)
		_, follows := s.(Follower)
		return follows && (!tells || !c.Complete())
	})
}

// completers returns which providers are read by their next scan.
func (f *Fleet) completers() []bool {
	complete := make([]bool, len(f.scanners))
	for i, s := range f.scanners {
		c, tells := s.(Completer)
		_, follows := s.(Follower)
		complete[i] = tells && c.Complete() || follows && !tells || !follows && f.scans+1 >= leastPolls
	}
	return complete
}

// unread returns what is wrong with a provider that has told neither all clusters nor why
// not, for too long.
func (f *Fleet) unread(provider int, now time.Time) error {
	c, tells := f.scanners[provider].(Completer)
	if !tells || now.Sub(f.began) < unreadAfter || c.Complete() {
		return nil
	}
	if slices.ContainsFunc(f.found[provider], func(d Description) bool { return d.Err != nil && d.Name == "" }) {
		return nil // that is why
	}
	return errUnread
}
