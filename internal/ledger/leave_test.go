package ledger

import "testing"

// A cluster leaves while the sink of its route holds a change. What the worker has begun
// counts once it is acked, what waited does not, whoever has the cursor by then.
func TestLeavingWithAChangeInWork(t *testing.T) {
	for name, returns := range map[string]bool{"acked before it returns": false, "acked after": true} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			s.ledger.Join("a")
			old, _ := s.claim("uid", "")
			s.fill(old)
			working, _ := old.observe(pod(1), at(uid3, 21), false, false)
			old.Seen("21")
			old.begin(working, pod(1), at(uid3, 21), false)
			waiting, _ := old.observe(pod(2), at(uuid(2), 22), false, false)
			old.Seen("22")

			s.ledger.Leave("a", old.ID().Route)
			if _, _, _, superseded := old.Begin(waiting, pod(2), at(uuid(2), 22), false); !superseded {
				t.Error("what has waited is handed over")
			}
			if _, _, _, superseded := old.Begin(working, pod(3), at(uid3, 21), false); !superseded {
				t.Error("what comes back is handed over")
			}
			ack := func() { old.Ack(working, pod(1), at(uid3, 21), false) }
			if !returns {
				ack()
			}
			s.ledger.Join("a")
			c, _ := s.claim("uid", "")
			if from, ok := c.Start(); from != "20" || !ok {
				t.Fatalf("the new owner begins at %q", from)
			}
			if returns {
				ack()
			}
			if _, verdict := c.observe(pod(1), at(uid3, 21), false, false); verdict != Duplicate {
				t.Errorf("what was in work is shown again: verdict %v", verdict)
			}
			if _, verdict := c.observe(pod(2), at(uuid(2), 22), false, false); verdict != Deliver {
				t.Errorf("what waited is shown again: verdict %v", verdict)
			}
		})
	}
}

// A state that was sent again and is in work when the cluster leaves may be dropped with its
// queue, and is the acked one: it can be sent again.
func TestLeavingWithARetryInWork(t *testing.T) {
	s := newStored(t)
	old, _ := s.claim("uid", "")
	s.fill(old)
	r, sequence, err := old.Redeliver(pod(1), at(uid3, 11), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, superseded := old.begin(sequence, pod(1), at(uid3, 11), false); superseded {
		t.Fatal("superseded")
	}
	s.ledger.Leave("a", old.ID().Route)
	if <-r.Settled(); r.Acked() {
		t.Error("settled with an ack")
	}
	c, _ := s.claim("uid", "")
	if _, _, err := c.Redeliver(pod(1), at(uid3, 11), false); err != nil {
		t.Error(err)
	}
}
