package stream

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// ofProd has all objects of clusters that are labelled so, and none of others.
func ofProd(t *testing.T) func(*Options) {
	return func(o *Options) {
		o.Rules = rulesOf(t, selection.Texts{Where: []string{"configmaps: cluster.labels[?'env'].orValue('') == 'prod'"}})
		o.Labels = map[string]string{"env": "prod"}
	}
}

// Labels that change while nothing can be cut are read once that is over.
func TestRelabelDuringASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, ofProd(t))
		body := h.call("streaming list").open()
		body.send(event("ADDED", "a", 1))
		h.want(true, "added a uid-a@1 snapshot")
		h.stream.Relabel(map[string]string{"env": "test"})
		body.send(endMark("10"))
		h.wantNoneSelected()
	})
}

func TestRelabelWhileAWatchOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, ofProd(t))
		body := h.call("streaming list").open()
		body.send(event("ADDED", "a", 1), endMark("10"))
		h.want(true, "added a uid-a@1 snapshot")
		age()
		body.end()
		call := h.call("watch from 10")
		h.stream.Relabel(map[string]string{"env": "test"})
		call.open()
		h.wantNoneSelected()
	})
}

// relists returns the call of a snapshot that begins at once, and not when the watch ends.
func (h *harness) relists() *fakeCall {
	h.t.Helper()
	began := time.Now()
	call := h.call("streaming list")
	if took := time.Since(began); took > time.Second {
		h.t.Errorf("the snapshot begins after %s", took)
	}
	return call
}

// wantNoneSelected wants a snapshot by which the object a is not selected any more.
func (h *harness) wantNoneSelected() {
	h.t.Helper()
	body := h.relists().open()
	body.send(event("ADDED", "a", 1), endMark("11"))
	h.want(true, "deleted a uid-a@11 snapshot tombstone nothing")
	h.wantState(member.Live)
}

// Only labels that rules read end a watch.
func TestRelabelOfWhatNoRuleReads(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*testing.T) func(*Options)
		to   map[string]string
		cuts bool
	}{
		"no rules":      {func(*testing.T) func(*Options) { return func(*Options) {} }, map[string]string{"env": "test"}, false},
		"another label": {ofProd, map[string]string{"env": "prod", "team": "a"}, false},
		"that label":    {ofProd, map[string]string{"env": "test"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, test.edit(t))
				h.live()
				h.stream.Relabel(test.to)
				if !test.cuts {
					h.quiet(time.Second)
					return
				}
				h.relists()
			})
		})
	}
}

// Whose labels they are may change them later.
func TestRelabelKeepsNobodysMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, ofProd(t))
		h.live()
		labels := map[string]string{"env": "prod", "team": "a"}
		h.stream.Relabel(labels)
		labels["env"] = "test"
		h.stream.Relabel(labels)
		h.relists()
	})
}

// An object that rules let through when a watch told of it is not gone, because they do not
// let through what a snapshot has.
func TestSnapshotKeepsWhatRulesDoNotSelectInSnapshots(t *testing.T) {
	for _, where := range []string{"!change.snapshot", "change.op == 'updated'"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, func(o *Options) { o.Rules = rulesOf(t, selection.Texts{Where: []string{"configmaps: " + where}}) })
				body := h.call("streaming list").open()
				body.send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark("10"))
				h.want(true)
				body.send(event("MODIFIED", "a", 11), event("MODIFIED", "b", 12))
				h.want(true, "added a uid-a@11", "added b uid-b@12")
				_, _ = h.stream.Replay()
				body = h.call("streaming list").open()
				body.send(event("ADDED", "a", 11), endMark("20"))
				h.want(true, "deleted b uid-b@20 snapshot tombstone nothing")
			})
		})
	}
}

// What metadata are in an object is written in another order than metadata that are asked
// for alone: digests of the one say nothing of the other.
func TestAuditListsWholeObjectsForDigests(t *testing.T) {
	for name, test := range map[string]struct {
		texts selection.Texts
		whole bool
	}{
		"metadata are selected by": {selection.Texts{Where: []string{"configmaps: has(object.metadata.name)"}}, false},
		"data are selected by":     {selection.Texts{Where: []string{"configmaps: has(object.data)"}}, true},
		"labels count":             {selection.Texts{Changed: []string{"configmaps: metadata.labels"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, audits, func(o *Options) { o.Rules = rulesOf(t, test.texts) })
				h.live()
				accept := h.call("list by 500").Header.Get("Accept")
				if whole := !strings.Contains(accept, "PartialObjectMetadata"); whole != test.whole {
					t.Errorf("accepts %s", accept)
				}
			})
		})
	}
}

// An audit cannot tell what a sink is to have by rules that ask how states came.
func TestAuditOfRulesThatReadTheChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, audits, func(o *Options) {
			o.Rules = rulesOf(t, selection.Texts{Where: []string{"configmaps: change.op == 'added' && !change.snapshot"}})
		})
		body := h.call("streaming list").open()
		body.send(event("ADDED", "a", 1), endMark("10"), event("ADDED", "b", 11))
		h.want(true, "added b uid-b@11")
		call := h.call("list by 500")
		call.reply(200, listOf(20, "", configMap("a", 1), configMap("b", 11)))
		body.send(mark("20"))
		time.Sleep(time.Second)
		h.wantAudits("clean", 1, 0)
	})
}
