package replay

// ByNumber is what a consumer has that keeps of each name what has the highest
// term and sequence, deletions as well, and ignores all that is lower. It needs
// neither ids, nor versions, nor the order in which events come.
type ByNumber struct {
	rows   map[Object]row // by Object without UID
	unique bool           // see NewByNumberUnique
}

// row is the latest that is known of a name.
type row struct {
	number       string
	uid, version string
	deleted      bool
}

// NewByNumber returns what a consumer has that was told nothing.
func NewByNumber() *ByNumber { return &ByNumber{rows: map[Object]row{}} }

// NewByNumberUnique is NewByNumber for who reads a store that keeps each id once, and so
// of a repeat not the number that is above what came since. There a deletion tells of its
// UID, and says nothing of another one that has the name.
func NewByNumberUnique() *ByNumber { return &ByNumber{rows: map[Object]row{}, unique: true} }

// Apply takes an event. What has no number is older than anything that has one.
func (b *ByNumber) Apply(e Event) {
	name := e.Object
	name.UID = ""
	if had, ok := b.rows[name]; ok && (e.number() <= had.number || b.unique && e.Deleted && !had.deleted && e.UID != had.uid) {
		return
	}
	b.rows[name] = row{e.number(), e.UID, e.ResourceVersion, e.Deleted}
}

// Compare is [State.Compare] for what this consumer has.
func (b *ByNumber) Compare(held map[Object]string, clusters ...string) Difference {
	return Compare(b.Objects(), held, clusters...)
}

// Objects returns a copy of what this consumer has, each object with its version.
func (b *ByNumber) Objects() map[Object]string {
	live := map[Object]string{}
	for name, r := range b.rows {
		if !r.deleted {
			name.UID = r.uid
			live[name] = r.version
		}
	}
	return live
}

// number is the term and, in one term, the sequence, ordered as a string; empty
// for an event of before there were any.
func (e *Event) number() string { return e.Term + e.Sequence }
