package fleettest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/sources/fleet"
)

func firstList(t testing.TB, p Place) {
	a, b := cluster("alpha", 1), cluster("beta", 1)
	describe(t, p, a, b)
	r := start(t, p)
	r.joined(a, b)
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, m := range r.members {
		if m.Name != name || m.Source == "" || m.Fingerprint == "" || m.Fingerprint == r.members[other(name)].Fingerprint {
			t.Errorf("member %q: name %q, source %q, fingerprint %q; want all of them, and the fingerprint its own", name, m.Name, m.Source, m.Fingerprint)
		}
		for _, secret := range []string{a.Token, b.Token} {
			if strings.Contains(m.Source+p.Provider.String(), secret) || m.Fingerprint == secret {
				t.Errorf("the source or the fingerprint of %q holds a token", name)
			}
		}
	}
}

func other(name string) string {
	if name == "alpha" {
		return "beta"
	}
	return "alpha"
}

func joins(t testing.TB, p Place) {
	a, b, c := cluster("alpha", 1), cluster("beta", 1), cluster("gamma", 1)
	describe(t, p, a)
	r := start(t, p)
	r.joined(a)
	describe(t, p, b)
	r.joined(b)
	describe(t, p, c)
	r.joined(a, b, c)
	if sets, removes := r.counts("alpha"); sets != 1 || removes != 0 {
		t.Errorf("alpha was set %d times and removed %d times while others joined", sets, removes)
	}
}

// changes: a sentinel that is described after something tells that this was seen.
func changes(t testing.TB, p Place) {
	a, b := cluster("alpha", 1), cluster("beta", 1)
	describe(t, p, a, b)
	r := start(t, p)
	r.joined(a, b)
	last := r.fingerprint("alpha")

	moved := cluster("alpha", 2)
	moved.Token = a.Token
	describe(t, p, moved)
	r.joined(moved)
	if r.fingerprint("alpha") == last {
		t.Error("another server, and the same fingerprint")
	}
	last = r.fingerprint("alpha")
	want := 2
	if !p.NoTokens {
		rotated := cluster("alpha", 2)
		describe(t, p, rotated)
		r.joined(rotated)
		if r.fingerprint("alpha") == last {
			t.Error("another token, and the same fingerprint")
		}
		moved, want = rotated, 3
	}
	describe(t, p, moved) // as it is
	sentinel := cluster("sentinel", 1)
	describe(t, p, sentinel)
	r.joined(sentinel, moved)
	if sets, _ := r.counts("alpha"); sets != want {
		t.Errorf("alpha was set %d times, want %d: to write the same again is no change", sets, want)
	}
	if sets, removes := r.counts("beta"); sets != 1 || removes != 0 {
		t.Errorf("beta, of which nothing has changed, was set %d times and removed %d times", sets, removes)
	}
}

func (r *running) fingerprint(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.members[name].Fingerprint
}

func leaves(t testing.TB, p Place) {
	a, b := cluster("alpha", 1), cluster("beta", 1)
	describe(t, p, a, b)
	r := start(t, p)
	r.joined(a, b)
	p.Remove(t, "alpha")
	r.await("alpha leaves", func() bool { _, removes := r.counts("alpha"); return removes == 1 })
	again := cluster("alpha", 2)
	describe(t, p, again)
	r.joined(again, b)
	if sets, removes := r.counts("beta"); sets != 1 || removes != 0 {
		t.Errorf("beta was set %d times and removed %d times while alpha left and came back", sets, removes)
	}
	if _, removes := r.counts("alpha"); removes != 1 {
		t.Errorf("alpha was removed %d times, and left once", removes)
	}
}

// names: what cannot be told apart or breaks a line is the name of no member.
func names(t testing.TB, p Place) {
	good := cluster("good", 1)
	var bad []Cluster
	for i, name := range []string{"two words", "line\nbreak", "tab\t", "zero\u200bwidth", "\u202eright", strings.Repeat("x", 254), "\x1b[31m", "\xff"} {
		c := cluster(fmt.Sprint("bad-", i), 1)
		c.Name = name
		if err := p.Describe(t, c); err == nil {
			bad = append(bad, c)
		}
	}
	describe(t, p, good)
	r := start(t, p)
	r.joined(good)
	for _, c := range bad {
		if sets, _ := r.counts(c.Name); sets > 0 {
			t.Errorf("a cluster joins as %.40q", c.Name)
		}
	}
	if len(bad) > 0 && len(r.fleet.Problems()) == 0 {
		t.Error("names are refused, and nothing is told of it")
	}
	r.quiet(bad...)
}

// texts: what stands where a description should may be anything.
func texts(t testing.TB, p Place) {
	if p.Write == nil {
		return
	}
	a, b := cluster("alpha", 1), cluster("beta", 1)
	describe(t, p, a, b)
	r := start(t, p)
	r.joined(a, b)
	good := a.Kubeconfig()
	bad := map[string][]byte{
		"nothing":      nil,
		"half":         good[:len(good)/2],
		"zeros":        make([]byte, 4096),
		"not UTF-8":    {0xff, 0xfe, 0x00},
		"deep":         bytes.Repeat([]byte("["), 1<<16),
		"aliases":      []byte("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"),
		"another kind": []byte(`{"apiVersion": "v1", "kind": "Secret", "data": {"token": "` + a.Token + `"}}`),
		"wrong types":  []byte(`{"apiVersion": "v1", "kind": "Config", "users": "` + a.Token + `"}`),
	}
	if !p.Together { // where these would speak of all clusters
		bad["no contexts"] = []byte(`{"apiVersion": "v1", "kind": "Config"}`)
		bad["no server"] = bytes.ReplaceAll(good, []byte(`"server":"`+a.Server+`"`), []byte(`"server":""`))
		bad["a password"] = bytes.ReplaceAll(good, []byte(`https://`), []byte(`https://me:`+a.Token+`@`))
	}
	for name, text := range bad {
		p.Write(t, "alpha", text)
		r.await(fmt.Sprintf("it is told that alpha cannot be described by %q", name), func() bool { return len(r.fleet.Problems()) > 0 })
		r.quiet(a, b)
		if !p.Together {
			next := cluster("gamma", 1)
			describe(t, p, next)
			r.joined(next) // others join meanwhile
			p.Remove(t, "gamma")
			r.await("gamma leaves", func() bool { return !r.is(next) })
		}
		if !r.is(a) || !r.is(b) {
			t.Errorf("%q in the place of alpha's description takes a member away: %v are left", name, r.names())
		}
		describe(t, p, a, b)
		r.await("the problem is over", func() bool { return len(r.fleet.Problems()) == 0 })
	}
	for _, c := range []Cluster{a, b} {
		if sets, removes := r.counts(c.Name); sets != 1 || removes != 0 {
			t.Errorf("%s was set %d times and removed %d times, and is described as it was", c.Name, sets, removes)
		}
	}
}

// found returns the servers by name of what a scanner describes.
func found(all []fleet.Description) map[string]string {
	servers := map[string]string{}
	for _, d := range all {
		if d.Member != nil {
			servers[d.Name] = d.Member.REST.Host
		}
	}
	return servers
}

// twoScans: files are replaced piece by piece, so that what one scan reads may be
// half of it. What the first one reads counts at once.
func twoScans(t testing.TB, p Place) {
	if !p.TwoPolls {
		return
	}
	a, moved := cluster("alpha", 1), cluster("alpha", 2)
	describe(t, p, a)
	s := p.Provider.NewScanner()
	if got := found(s.Scan()); got["alpha"] != a.Server {
		t.Errorf("the first scan finds %v", got)
	}
	describe(t, p, moved)
	if got := found(s.Scan()); got["alpha"] != a.Server {
		t.Errorf("a change counts at once: %v", got)
	}
	if got := found(s.Scan()); got["alpha"] != moved.Server {
		t.Errorf("a change does not count after two scans: %v", got)
	}
	p.Remove(t, "alpha")
	if got := found(s.Scan()); got["alpha"] != moved.Server {
		t.Errorf("a removal counts at once: %v", got)
	}
	if got := found(s.Scan()); len(got) > 0 {
		t.Errorf("a removal does not count after two scans: %v", got)
	}
}

func scanners(t testing.TB, p Place) {
	if _, ok := p.Provider.NewScanner().(fleet.Follower); ok {
		return // knows nothing before it follows
	}
	a := cluster("alpha", 1)
	describe(t, p, a)
	first := p.Provider.NewScanner()
	if got := found(first.Scan()); got["alpha"] != a.Server {
		t.Errorf("the first scanner finds %v", got)
	}
	moved := cluster("alpha", 2)
	describe(t, p, moved)
	if got := found(p.Provider.NewScanner().Scan()); got["alpha"] != moved.Server {
		t.Errorf("a second scanner finds %v, which the first has seen", got)
	}
	if text := p.Provider.String(); text == "" || text != p.Provider.String() || strings.Contains(text, a.Token) {
		t.Errorf("String returns %q; want a text that stays the same and holds no token", text)
	}
}

// ends: the cleanup of start looks for goroutines that are left.
func ends(t testing.TB, p Place) {
	start(t, p) // of an empty place, and at once
	describe(t, p, cluster("alpha", 1))
}
