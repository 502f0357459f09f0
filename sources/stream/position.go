package stream

import "github.com/fairlead-dev/fairlead/sources/member"

// position is how far a watch has come. A route that is behind joins a watch once its own
// one is known to have shown all that this one has.
type position struct {
	open bool   // there is a watch
	at   string // version of the frame that is, or was last, dealt with
	// quiet is a version from which on to at there was nothing but bookmarks: who has come
	// so far has all.
	quiet string
	// odd says that a deletion came since that has no version of its own, as those of API
	// servers other than kube-apiserver may: nobody can tell where in the order it is.
	odd bool
	// framed says that at is the version of a frame, not of a bookmark or a list.
	framed bool
	// restarts says that the next watch comes after a snapshot, or the deletions of all that a
	// cluster before had: it may be long until then.
	restarts bool
	// session is that of the watch: another one's versions may be those of another cluster.
	session *member.Session
}

// begin notes from where a watch begins. What is known of the one before holds on if this
// one begins where that has been, unless a snapshot was taken since: see restart.
func (p *position) begin(from string) {
	if p.odd || !reached(from, p.quiet) || !reached(p.at, from) {
		p.quiet = from
	}
	p.framed = p.framed && p.at == from
	p.open, p.at, p.odd, p.restarts = true, from, false, false
}

// end notes that there is no watch any more.
func (p *position) end() { p.open = false }

// restart notes that the next watch may be of another history.
func (p *position) restart() { *p = position{restarts: true} }

// frame notes the version of a frame that is dealt with next.
func (p *position) frame(version string, bookmark bool) {
	switch n := number(version); {
	case n == 0 || n > number(p.at):
		if n == 0 || p.odd || !bookmark {
			p.quiet = version
		}
		p.at, p.odd, p.framed = version, false, !bookmark
	case !bookmark:
		p.odd = true
	}
}

// covers reports whether a watch that has come here is known to have shown all that one
// has shown that has come to the other position. Behind a deletion without a version of its
// own it is not known until the next frame: what is numerically beyond may be a bookmark, or
// the version of a list, from before that deletion.
func (p *position) covers(other position) bool {
	return p.open && other.open && p.session == other.session && reached(p.at, other.quiet) && !other.odd
}

// succeeds reports whether a watch that has come here may take the place of one that is not to
// begin for long.
func (p *position) succeeds(other position) bool { return p.open && other.restarts }

// reached reports whether a version is known not to be behind another one.
func reached(version, other string) bool {
	if version == "" || other == "" {
		return false
	}
	return version == other || number(other) != 0 && number(version) >= number(other)
}
