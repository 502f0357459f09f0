package ledger

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// moveKeys are the objects that there may be: three in each of the namespaces a, b and c, which
// have the same names there.
const moveKeys = "abcdefghi"

func moveName(key string) Name {
	i := int(key[0] - 'a')
	return Name{string(rune('a' + i/3)), string("xyz"[i%3])}
}

func moveKey(n Name) string {
	return string(rune('a' + 3*int(n.Namespace[0]-'a') + strings.Index("xyz", n.Name)))
}

// inNamespace reports whether a stream of a namespace, "" for all, has an object.
func inNamespace(key, namespace string) bool {
	return namespace == "" || moveName(key).Namespace == namespace
}

// moveServer has objects of two colours in three namespaces.
type moveServer struct {
	rv, compacted int
	uids          *int            // of all servers
	used          map[string]bool // states of all servers
	past          int             // servers and restored backups before
	keys          string          // of the objects that are written
	objects       map[string]routed
	log           []routed
	backup        *moveServer
}

func newMoveServer() *moveServer {
	return &moveServer{rv: 10, compacted: 10, uids: new(int), used: map[string]bool{}, keys: moveKeys, objects: map[string]routed{}}
}

// replace makes another cluster's server of it.
func (s *moveServer) replace(rv int) {
	*s = moveServer{rv: rv, compacted: rv, uids: s.uids, used: s.used, past: s.past + 1, keys: s.keys, objects: map[string]routed{}}
}

func (s *moveServer) copied() *moveServer {
	c := *s
	c.objects, c.log = maps.Clone(s.objects), slices.Clone(s.log)
	return &c
}

// restore takes it back to its backup.
func (s *moveServer) restore() {
	past, keys := s.past+1, s.keys
	*s = *s.backup.copied()
	s.past, s.keys, s.compacted, s.backup = past, keys, s.rv, nil
}

func (s *moveServer) write(r *rand.Rand) {
	key := string(s.keys[r.IntN(len(s.keys))])
	s.rv++
	o, ok := s.objects[key]
	switch {
	case ok && r.Float64() < 0.35:
		delete(s.objects, key)
		o.deleted, o.rv, o.at = true, s.rv, s.rv
		s.log = append(s.log, o)
		return
	case !ok:
		*s.uids++
		o = routed{key: key, uid: uuid(*s.uids), colour: string("rb"[r.IntN(2)])}
		if *s.uids%5 == 0 {
			o.uid = fmt.Sprintf("odd-%d-", *s.uids)
		}
	case r.Float64() < 0.3:
		o.colour = string("rb"[r.IntN(2)])
	}
	// What comes to the same version twice is in the same state.
	state := func() string { return fmt.Sprint(o.uid, "@", s.rv) }
	for s.used[state()] {
		s.rv++
	}
	s.used[state()] = true
	o.rv, o.at = s.rv, s.rv
	s.objects[key] = o
	s.log = append(s.log, o)
}

// list returns what a stream of a namespace lists.
func (s *moveServer) list(r *rand.Rand, namespace string) (page []routed) {
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if inNamespace(key, namespace) {
			page = append(page, s.objects[key])
		}
	}
	r.Shuffle(len(page), func(i, j int) { page[i], page[j] = page[j], page[i] })
	return page
}

// next returns what a stream of a namespace is shown behind a version.
func (s *moveServer) next(after int, namespace string) (x routed, ok bool) {
	for _, x := range s.log {
		if x.at > after && inNamespace(x.key, namespace) {
			return x, true
		}
	}
	return routed{}, false
}
