package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// hostileName is the member that lies. It is in the fleet from start to end.
const hostileName = "hostile"

// hostile is a member that does what it can to harm the others. What Fairlead
// delivers of it is not held against anything, but each line has to be an event
// of its own; the others must not notice that it is there.
type hostile struct {
	*testenv.Hostile
	clock   *clock
	journal *journal
	say     func(format string, args ...any)
	victim  *member
	random  *rand.Rand
}

// startHostile starts it. victim is the one that it claims to be.
func startHostile(c *chaos, victim *member) (*hostile, error) {
	server, err := testenv.NewHostile(hostileName)
	if err != nil {
		return nil, err
	}
	h := &hostile{
		Hostile: server, clock: c.clock, journal: c.journal, say: c.say, victim: victim,
		random: rand.New(rand.NewPCG(c.seed, 2)),
	}
	for i := range 20 {
		h.write(fmt.Sprintf("honest-%d", i))
	}
	return h, nil
}

// write puts an object, as one of the writers' in name and place.
func (h *hostile) write(name string) {
	for _, r := range resources {
		h.Put(r.Resource, writtenTo[0], name, map[string]any{"data": map[string]any{}})
	}
}

// lie is one way to do harm.
type lie struct {
	name  string
	begin func()
}

// lies are all of them.
func (h *hostile) lies(victimUID string) []lie {
	simple := func(about testenv.About, what testenv.Lie) func() {
		return func() { h.Lie(about, what) }
	}
	watched := func(r *http.Request) bool {
		return testenv.Lists(r) || testenv.Watches(r) || testenv.StreamingLists(r)
	}
	return []lie{
		{"forges the events of another member", func() { h.forge(victimUID) }},
		{"says that it is another member", simple(testenv.Identity, testenv.OtherUID(victimUID))},
		{"invents objects without end", simple(watched, testenv.Invent(200))},
		{"discovery without end", simple(testenv.Discovery, testenv.Endless(http.StatusOK, `{"kind":"APIResourceList","resources":[`, `{"name":"a"},`))},
		{"discovery that explodes", simple(testenv.Discovery, testenv.GzipBomb(http.StatusOK, `{"kind":"APIResourceList","resources":[`, `          `))},
		{"errors that explode", simple(testenv.Everything, testenv.GzipBomb(http.StatusInternalServerError, `{"kind":"Status","message":"`, `aaaaaaaa`))},
		{"frames without end", simple(watched, testenv.Endless(http.StatusOK, `{"type":"ADDED","object":{"metadata":{"name":"`, `a`))},
		{"bytes that are no UTF-8", simple(watched, testenv.InvalidUTF8)},
		{"two metadata in one object", simple(watched, testenv.DuplicateKeys)},
		{"web pages: 200", simple(testenv.Everything, testenv.HTML(http.StatusOK))},
		{"web pages: 404", simple(testenv.Everything, testenv.HTML(http.StatusNotFound))},
		{"sends credentials back", simple(testenv.Everything, testenv.Echo(http.StatusForbidden))},
		{"redirects in a circle", simple(testenv.Everything, testenv.Redirect(""))},
		{"asks to wait for ever", simple(testenv.Everything, testenv.Throttle(1_000_000_000))},
		{"hangs", simple(testenv.Everything, testenv.Hang)},
		{"is gone from discovery", simple(testenv.Discovery, testenv.Refuse(http.StatusNotFound, "NotFound", "no such thing"))},
	}
}

// forge has it say that its ConfigMaps are of a kind that would, unescaped, end the
// object and go on with attributes of an event of the victim.
func (h *hostile) forge(victimUID string) {
	kind := fmt.Sprintf(`X"},"type":"dev.fairlead.resource.deleted.v1","source":"/clusters/%s","cluster":"%[1]s","clusteruid":"%s","x":{"y":"`,
		h.victim.Name, victimUID)
	h.Lie(testenv.Discovery, testenv.Discovered(func(resource map[string]any) { resource["kind"] = kind }))
	unkind := func(object any) {
		if o, ok := object.(map[string]any); ok {
			delete(o, "kind")
			delete(o, "apiVersion")
		}
	}
	h.Lie(testenv.Path("/api/v1/"), testenv.RewriteJSON(func(document map[string]any) {
		unkind(document["object"])
		items, _ := document["items"].([]any)
		for _, item := range items {
			unkind(item)
		}
	}))
}

// run tells one lie after the other, spread over the writes in an order that the
// seed decides, and is honest in the end.
func (h *hostile) run(ctx context.Context, writes int) error {
	defer h.Drop()
	defer h.Honest()
	kubeSystem, err := h.victim.client.Resource(namespaces).Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("ask cluster %s who it is, for another one to say the same: %w", h.victim.Name, err)
	}
	lies := h.lies(string(kubeSystem.GetUID()))
	h.random.Shuffle(len(lies), func(i, j int) { lies[i], lies[j] = lies[j], lies[i] })
	for i, l := range lies {
		if err := h.clock.wait(ctx, i*writes/len(lies)); err != nil {
			return err
		}
		h.say("write %d: the hostile member: %s", h.clock.now(), l.name)
		h.journal.write(entry{Writes: h.clock.now(), Did: "the hostile member: " + l.name})
		h.Honest()
		l.begin()
		h.Drop()
		h.write(fmt.Sprintf("during-%d", i))
	}
	return h.clock.wait(ctx, writes)
}
