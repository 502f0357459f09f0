package queue_test

import (
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// Without a function for it items are their own identity.
func TestIdentityOfItsOwn(t *testing.T) {
	q := queue.New(queue.Options[queue.Request, queue.Request]{
		Cluster: func(r queue.Request) string { return r.Cluster },
	})
	a, b := queue.Request{Cluster: "c"}, queue.Request{Cluster: "c"}
	a.Name, b.Name = "a", "b"
	q.Add(a)
	q.Add(a)
	q.Add(b)
	q.AddRateLimited(b)
	equal(t, "times b was put off", q.NumRequeues(b), 1)
	q.Forget(b)
	equal(t, "times b was put off, forgotten", q.NumRequeues(b), 0)
	equal(t, "items", take(t, q, 2), []queue.Request{a, b})
	equal(t, "Len()", q.Len(), 0)
	if s := lane(q, "c"); s.InFlight != 0 || s.Coalesced != 2 {
		t.Errorf("stats %+v", s)
	}
}

func TestNewQueueRefuses(t *testing.T) {
	cluster := func(string) string { return "" }
	for name, newQueue := range map[string]func(){
		"no Cluster": func() { queue.New(queue.Options[string, string]{}) },
		"no Identity of another type": func() {
			queue.New(queue.Options[string, int]{Cluster: cluster})
		},
		"no Identity of a type that is called otherwise": func() {
			type name string
			queue.New(queue.Options[string, name]{Cluster: cluster})
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("taken")
				}
			}()
			newQueue()
		})
	}
}
