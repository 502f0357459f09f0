package main

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// aKey is what a key holds.
type aKey struct {
	jetstream.KeyValueEntry
	text string
	op   jetstream.KeyValueOp
}

func (e aKey) Value() []byte                   { return []byte(e.text) }
func (e aKey) Operation() jetstream.KeyValueOp { return e.op }

// A key is deleted where its event tells of a deletion, and only there.
func TestEventOfKey(t *testing.T) {
	gone := strings.NewReplacer("resource.added", "resource.deleted", "u/7", "u/7/deleted").Replace(anEvent)
	for _, test := range []struct {
		name, text string
		op         jetstream.KeyValueOp
		ok         bool
	}{
		{"it exists", anEvent, jetstream.KeyValuePut, true},
		{"it exists, and the key is deleted", anEvent, jetstream.KeyValueDelete, false},
		{"it is gone", gone, jetstream.KeyValueDelete, true},
		{"it is gone, and the key is not deleted", gone, jetstream.KeyValuePut, false},
		{"the key is purged", gone, jetstream.KeyValuePurge, false},
		{"no event", "x", jetstream.KeyValuePut, false},
	} {
		e, err := eventOfKey(aKey{text: test.text, op: test.op})
		if (err == nil) != test.ok || err == nil && (e.Name != "a" || e.Deleted != (test.op == jetstream.KeyValueDelete)) {
			t.Errorf("%s: %+v, %v", test.name, e, err)
		}
	}
}
