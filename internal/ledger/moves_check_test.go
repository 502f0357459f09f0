package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// rest lets all come to rest, and stores it.
func (h *movesHistory) rest() {
	h.store.failing, h.resting = false, true
	for range 3 {
		for range 400 {
			h.drive()
			h.work()
			h.work()
		}
		h.commit(true)
	}
	h.resting = false
}

// right is what the sink has to hold.
func (h *movesHistory) right() map[string]string {
	right := map[string]string{}
	for key, o := range h.server.objects {
		in := func(namespace string) bool { return inNamespace(key, namespace) }
		if slices.ContainsFunc(h.follow, in) && strings.Contains(h.selection, o.colour) {
			right[key] = fmt.Sprint(o.uid, "@", o.rv)
		}
	}
	return right
}

// wrong tells what is not as it must be at rest.
func (h *movesHistory) wrong() (all []string) {
	right, s := h.right(), h.sink
	said := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if !maps.Equal(s.state, right) {
		said("state %v, want %v", s.state, right)
	}
	if !maps.Equal(s.ordered, right) {
		said("state in a sink that orders %v, want %v", s.ordered, right)
	}
	if !h.revived && !maps.Equal(s.unique, right) {
		said("state in a sink that drops repeats %v, want %v", s.unique, right)
	}
	for uid := range s.seen {
		alive := slices.ContainsFunc(slices.Collect(maps.Values(right)), func(state string) bool { return strings.HasPrefix(state, uid) })
		if !alive && !s.gone[uid] {
			said("a UID is never deleted: %s", uid)
		}
	}
	if len(s.backwards) > 0 {
		said("it went backwards: %v", s.backwards)
	}
	again, err := Open(h.t.Context(), Options{Store: h.store})
	if err != nil {
		h.t.Fatal(err)
	}
	for what, l := range map[string]*Ledger{"known": h.ledger, "stored": again} {
		known := 0
		for _, c := range l.all() {
			known += c.Stats().Known
			if u := c.recount(); u != c.usage {
				said("%+v are counted of what takes %+v", c.usage, u)
			}
			if n := c.Stats().Unacked; n > 0 {
				said("%d are pending at rest in %q", n, c.ID().Namespace)
			}
		}
		if known != len(right) {
			said("%d objects are %s, want %d", known, what, len(right))
		}
	}
	return all
}

// check notes what is wrong at rest; when says after what.
func (h *movesHistory) check(when string) {
	h.log("check %s", when)
	h.rest()
	if h.t.Failed() {
		return
	}
	for _, wrong := range h.wrong() {
		h.early = append(h.early, when+": "+wrong)
	}
}

// moveAtRest has other namespaces followed. The sink is told again of nothing that stays.
func (h *movesHistory) moveAtRest(follow []string, how int) {
	before := h.right()
	h.tells = nil
	h.changeTo(follow, h.selection, how)
	h.check(fmt.Sprintf("%q is followed from then on", follow))
	for key, state := range before {
		if h.right()[key] == state && slices.Contains(h.tells, key+" "+strings.Replace(state, "@", "@", 1)) {
			h.early = append(h.early, fmt.Sprintf("%s is told again once %q is followed: %v", key, follow, h.tells))
		}
	}
}
