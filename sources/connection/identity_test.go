package connection

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// known returns a cluster that is known under a UID, with the digests of where it
// was, from a text: "A d1 d2 home=h front=f replaced".
func known(text string) ledger.Identity {
	words := strings.Fields(text)
	k := ledger.Identity{UID: words[0]}
	for _, w := range words[1:] {
		home, isHome := strings.CutPrefix(w, "home=")
		front, isFront := strings.CutPrefix(w, "front=")
		switch {
		case isHome:
			k.Default = home
		case isFront:
			k.Service = front
		case w == "replaced":
			k.Replaced = true
		default:
			k.Digests = append(k.Digests, w)
		}
	}
	return k
}

func TestJudge(t *testing.T) {
	type clusters = []ledger.Identity
	type presences = map[string]presence
	for name, tt := range map[string]struct {
		seen    sighting
		known   clusters
		answers presences
		want    string // UID, those that it is not, and what else is said
		asked   string
	}{
		"nobody is known":         {sighting{uid: "A", digest: "d1"}, nil, nil, "A", ""},
		"nor can the UID be read": {sighting{digest: "d1"}, nil, nil, "?", ""},
		"the UID":                 {sighting{uid: "A", digest: "d2"}, clusters{known("A d1")}, nil, "A", ""},
		"another UID":             {sighting{uid: "B", digest: "d1"}, clusters{known("A d1")}, nil, "B not [A] replaces", ""},
		"a UID for a digest":      {sighting{uid: "A", digest: "d1"}, clusters{known("digest-1 d1")}, nil, "A", ""},

		"403 after a restart":            {sighting{digest: "d1"}, clusters{known("A d1")}, nil, "A", ""},
		"still by digest":                {sighting{digest: "d1"}, clusters{known("digest-1 d1")}, nil, "digest-1", ""},
		"another CA, objects served":     {sighting{digest: "d2"}, clusters{known("A d1")}, presences{"A": served}, "A", "A"},
		"another CA, by digest":          {sighting{digest: "d2"}, clusters{known("digest-1 d1")}, presences{"digest-1": served}, "digest-1", "digest-1"},
		"another CA, objects not served": {sighting{digest: "d2"}, clusters{known("A d1")}, presences{"A": notServed}, "? not [A] replaces", "A"},
		"another CA, nothing to be read": {sighting{digest: "d2"}, clusters{known("A d1")}, nil, "? unsure", "A"},
		"another CA, nothing known":      {sighting{digest: "d2"}, clusters{known("A d1")}, presences{"A": nothingKnown}, "A doubt", "A"},
		"another CA, and a UID at last":  {sighting{uid: "A", digest: "d2"}, clusters{known("digest-1 d1")}, presences{"digest-1": served}, "A", "digest-1"},
		"that tells nothing":             {sighting{uid: "A", digest: "d2"}, clusters{known("digest-1 d1")}, nil, "? unsure", "digest-1"},
		"of another cluster":             {sighting{uid: "A", digest: "d2"}, clusters{known("digest-1 d1")}, presences{"digest-1": notServed}, "A not [digest-1] replaces", "digest-1"},

		"namespace default":                         {sighting{digest: "d2", home: "h"}, clusters{known("A d1 home=h")}, nil, "A", ""},
		"another namespace default":                 {sighting{digest: "d1", home: "i"}, clusters{known("A d1 home=h")}, nil, "? not [A] replaces", ""},
		"the Service":                               {sighting{digest: "d2", service: "f"}, clusters{known("A d1 front=f")}, nil, "A", ""},
		"another Service may have been made":        {sighting{digest: "d1", service: "g"}, clusters{known("A d1 front=f")}, nil, "A", ""},
		"namespace default, not read before":        {sighting{digest: "d1", home: "h"}, clusters{known("A d1")}, nil, "A", ""},
		"the UID goes before the namespace default": {sighting{uid: "A", digest: "d1", home: "i"}, clusters{known("A d1 home=h")}, nil, "A", ""},

		"the old one is back":              {sighting{uid: "A", digest: "d1"}, clusters{known("B d2"), known("A d1 replaced")}, nil, "A not [B] replaces", ""},
		"taking leave goes on":             {sighting{uid: "B", digest: "d2"}, clusters{known("B d2"), known("A d1 replaced")}, nil, "B not [A]", ""},
		"and is not asked about":           {sighting{digest: "d2"}, clusters{known("digest-2 d2"), known("A d2 replaced")}, nil, "digest-2 not [A]", ""},
		"two at one address":               {sighting{digest: "d1"}, clusters{known("A d1"), known("B d1")}, presences{"A": notServed, "B": served}, "B not [A] replaces", "A B"},
		"two at one address, who knows":    {sighting{digest: "d1"}, clusters{known("A d1"), known("B d1")}, nil, "? unsure", "A B"},
		"half of the streams have the UID": {sighting{digest: "d1"}, clusters{known("A d1"), known("digest-1 d1")}, presences{"A": served, "digest-1": served}, "A", "A digest-1"},
		"half of them, and it is read":     {sighting{uid: "A", digest: "d2"}, clusters{known("A d2"), known("digest-1 d1")}, nil, "A", "digest-1"},
		"a third one":                      {sighting{uid: "C", digest: "d1"}, clusters{known("B d1"), known("A d1 replaced")}, nil, "C not [B A] replaces", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			v := judge(tt.seen, tt.known, func(k ledger.Identity) presence {
				asked = append(asked, k.UID)
				return tt.answers[k.UID]
			})
			got := v.identity.UID
			if got == "" || v.unsure {
				got = "?"
			}
			if len(v.others) > 0 {
				got += fmt.Sprintf(" not %v", v.others)
			}
			for word, is := range map[string]bool{" replaces": v.replaces, " unsure": v.unsure, " doubt": v.doubt} {
				if is {
					got += word
				}
			}
			if got != tt.want || strings.Join(asked, " ") != tt.asked {
				t.Errorf("%q, asked about %q; want %q, %q", got, asked, tt.want, tt.asked)
			}
			if slices.Contains(v.identity.Digests, "") {
				t.Errorf("digests %q", v.identity.Digests)
			}
		})
	}
}

func digestOf(t *testing.T, cfg *rest.Config) string {
	t.Helper()
	c, err := newClients(cfg, clientOptions{limiter: flowcontrol.NewFakeAlwaysRateLimiter(), userAgent: "x", connectTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	return c.digest
}

func TestNameByDigest(t *testing.T) {
	if got := nameByDigest("digest-1", []string{"A", "digest-1", "digest-1-2"}); got != "digest-1-3" || !ledger.ByDigest(got) {
		t.Error(got)
	}
}

// memory is a fake of a ledger: what is known of the clusters that have borne a
// name.
type memory struct {
	identities []ledger.Identity
	objects    map[string][]ledger.Known // by the cluster's UID
	doubted    []string
}

func (m *memory) Identities(string) []ledger.Identity { return m.identities }

func (m *memory) Sample(_, uid string, n int) []ledger.Known {
	return m.objects[uid][:min(n, len(m.objects[uid]))]
}

func (m *memory) Doubt(_, uid string) { m.doubted = append(m.doubted, uid) }

// hidden answers as a server that lets nobody read its UID, but its objects: UID
// by path of the collection and name. Of all else it says that it is forbidden.
func hidden(objects map[string]string) answer {
	return func(req *http.Request) (*http.Response, error) {
		name, isOne := strings.CutPrefix(req.URL.Query().Get("fieldSelector"), "metadata.name=")
		uid, readable := objects[req.URL.Path]
		switch {
		case req.URL.Path == "/version", req.URL.Path == "/readyz":
			return healthy("")(req)
		case req.URL.Path == "/apis/apps":
			return text(200, `{"kind":"APIGroup","versions":[{"version":"v1beta1"},{"version":"v1"}],"preferredVersion":{"version":"v1beta1"}}`)(req)
		case strings.Contains(req.URL.Path, "/v1beta1/"):
			return status(404, "NotFound")(req)
		case !readable:
			return status(403, "Forbidden")(req)
		case isOne && uid != "":
			dir := strings.Split(req.URL.Path, "/")
			return text(200, fmt.Sprintf(`{"kind":"PartialObjectMetadataList","items":[{"metadata":{"name":%q,"namespace":%q,"uid":%q}}]}`, name, dir[len(dir)-2], uid))(req)
		case isOne:
			return text(200, `{"kind":"PartialObjectMetadataList","items":[]}`)(req)
		}
		return text(200, fmt.Sprintf(`{"metadata":{"name":%q,"uid":%q}}`, req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:], uid))(req)
	}
}

// What a process that starts decides of a cluster that it knows.
func TestKnownClusterAfterARestart(t *testing.T) {
	const deployments = "/apis/apps/v1/namespaces/ns/deployments"
	x := ledger.Known{Resource: "deployments.apps", Namespace: "ns", Name: "x", UID: "uid-x"}
	objects := map[string][]ledger.Known{uidA: {x}}
	for name, tt := range map[string]struct {
		answer  answer
		known   string // after the UID
		objects map[string][]ledger.Known
		want    string // the UID, or the state and its reason
		doubted int
	}{
		"403 for all, at the same address": {status(403, "Forbidden"), "same", objects, uidA, 0},
		"403 for all, elsewhere":           {status(403, "Forbidden"), "d0", objects, "waiting: " + reasonUnsure, 0},
		"its objects are there":            {hidden(map[string]string{deployments: "uid-x"}), "d0", objects, uidA, 0},
		"they are not":                     {hidden(map[string]string{deployments: ""}), "d0", objects, "waiting: " + reasonReplaced, 0},
		"others are":                       {hidden(map[string]string{deployments: "uid-y"}), "d0", objects, "waiting: " + reasonReplaced, 0},
		"its namespace default":            {hidden(map[string]string{homePath: "h"}), "d0 home=h", objects, uidA, 0},
		"another namespace default":        {hidden(map[string]string{homePath: "i"}), "same home=h", objects, "waiting: " + reasonReplaced, 0},
		"its Service":                      {hidden(map[string]string{servicePath: "f"}), "d0 front=f", objects, uidA, 0},
		"nothing of it is known":           {status(403, "Forbidden"), "d0", nil, uidA, 1},
		"its UID":                          {healthy(uidA), "d0", objects, uidA, 0},
		"another UID":                      {healthy(uidB), "same", objects, "waiting: " + reasonReplaced, 0},
	} {
		t.Run(name, func(t *testing.T) {
			digest := digestOf(t, (&fakeMember{}).rest())
			m := &memory{objects: tt.objects}
			m.identities = []ledger.Identity{known(uidA + " " + strings.ReplaceAll(tt.known, "same", digest))}
			o := Options{Known: m, Hold: time.Hour}
			bubbleWith(t, o, tt.answer, func(t *testing.T, c *Connection, _ *fakeMember) {
				time.Sleep(digestPatience + time.Second)
				synctest.Wait()
				s := c.Status()
				got := s.ClusterUID
				if s.State != member.Live {
					got = fmt.Sprintf("%s: %s", s.State, s.Reason)
					if s.LastError == "" || s.NextRetry.IsZero() {
						t.Errorf("status %+v", s)
					}
				} else if acquire(t, c).UID != got {
					t.Errorf("session of %q", acquire(t, c).UID)
				}
				if got != tt.want || len(m.doubted) != tt.doubted {
					t.Errorf("%q (%s), doubted %q; want %q", got, s.LastError, m.doubted, tt.want)
				}
			})
		})
	}
}

// Another cluster has to answer for some time before it gets the name.
func TestAnotherClusterHasToStay(t *testing.T) {
	bubbleWith(t, Options{Hold: 5 * time.Minute}, nil, func(t *testing.T, c *Connection, m *fakeMember) {
		first := acquire(t, c)
		m.set(healthy(uidB))
		c.SetREST(m.rest())
		time.Sleep(4 * time.Minute)
		wantState(t, c, member.Waiting)
		if s := c.Status(); s.ClusterUID != uidA || !strings.Contains(s.LastError, uidB) || !isClosed(first.Changed) {
			t.Errorf("status %+v", s)
		}
		m.set(nil) // an address that was mistaken, mended
		c.SetREST(m.rest())
		if s := acquire(t, c); s.UID != uidA || len(s.Others) != 0 {
			t.Errorf("UID %q, not %q", s.UID, s.Others)
		}
		m.set(healthy(uidB)) // without a new configuration
		time.Sleep(5 * time.Minute)
		wantState(t, c, member.Waiting) // counted from then on
		m.set(refused)
		time.Sleep(time.Minute)
		m.set(healthy(uidB))
		if s := acquire(t, c); s.UID != uidB || !slices.Equal(s.Others, []string{uidA}) {
			t.Errorf("UID %q, not %q", s.UID, s.Others)
		}
		if s := c.Status(); s.Reconnects[lostIdentity] != 1 || s.Probes[resultReplaced] == 0 {
			t.Errorf("status %+v", s)
		}
	})
}

// A UID is never given up for a digest, whatever may not be read any more.
func TestNoDigestAfterAUID(t *testing.T) {
	m := &memory{identities: []ledger.Identity{known(uidA + " d0")}, objects: map[string][]ledger.Known{uidA: {{Resource: "pods", Namespace: "ns", Name: "x", UID: "uid-x"}}}}
	bubbleWith(t, Options{Known: m, Hold: time.Minute}, status(403, "Forbidden"), func(t *testing.T, c *Connection, f *fakeMember) {
		time.Sleep(time.Hour)
		wantState(t, c, member.Waiting)
		f.set(hidden(map[string]string{"/api/v1/namespaces/ns/pods": "uid-x"}))
		if s := acquire(t, c); s.UID != uidA {
			t.Errorf("UID %q", s.UID)
		}
		f.set(status(403, "Forbidden"))
		time.Sleep(time.Hour)
		if s := acquire(t, c); s.UID != uidA || c.Status().ByDigest {
			t.Errorf("UID %q", s.UID)
		}
	})
}

func TestIdentifiedIsTold(t *testing.T) {
	var told []string
	o := Options{Identified: func(uid string) { told = append(told, uid) }}
	bubbleWith(t, o, by(status(403, "Forbidden"), healthy(uidA)), func(t *testing.T, c *Connection, m *fakeMember) {
		digest := acquire(t, c).UID
		m.set(nil)
		time.Sleep(2 * DefaultHealthInterval)
		m.set(by(status(403, "Forbidden"), healthy(uidA)))
		time.Sleep(2 * DefaultHealthInterval)
		m.set(healthy(uidB))
		time.Sleep(2 * DefaultHealthInterval)
		synctest.Wait()
		want := []string{digest, uidA, uidB}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// A member does not get into the names that stand for digests.
func TestNoUIDLooksLikeADigest(t *testing.T) {
	if plausible("digest-1") || !plausible(uidA) {
		t.Error("plausible")
	}
	if digest := digestOf(t, (&fakeMember{}).rest()); !ledger.ByDigest(digest) {
		t.Errorf("%q is taken for a UID", digest)
	}
}

// A name that was known once leads to no other path of the server.
func TestEvidenceStaysInItsPath(t *testing.T) {
	server := newServer(t, false)
	c, err := newClients(server.rest(), clientOptions{limiter: flowcontrol.NewFakeAlwaysRateLimiter(), userAgent: "x", connectTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	e := evidence{clients: c, cluster: "c"}
	for _, o := range []ledger.Known{
		{Resource: "pods", Namespace: "..", Name: "a"}, {Resource: "pods", Namespace: "../..", Name: "a"}, {Resource: "pods", Namespace: "a/b", Name: "a"},
		{Resource: "a/../secrets", Namespace: "n", Name: "a"},
	} {
		if uid, ok := e.uidOf(t.Context(), o); ok {
			t.Errorf("%+v: %q", o, uid)
		}
	}
	server.mu.Lock()
	for _, r := range server.seen {
		t.Errorf("asked for %s", r.URL)
	}
	server.mu.Unlock()
	_, _ = e.uidOf(t.Context(), ledger.Known{Resource: "pods", Namespace: "n", Name: "a"})
	if got := server.last().URL.Path; got != "/api/v1/namespaces/n/pods" {
		t.Errorf("asked for %s", got)
	}
	c.close()
}
