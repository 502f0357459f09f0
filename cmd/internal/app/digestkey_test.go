package app

import (
	"testing"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// A ledger gets a key for digests from the first rule on that says which changes count.
func TestOnlyRulesOfChangesNeedAKey(t *testing.T) {
	for flag, needs := range map[string]bool{
		"--where=configmaps: change.op == 'added'": false,
		"--drop=data":                                        false,
		"--changed=data":                                     true,
		"--unchanged=data":                                   true,
		"--preset=heartbeats":                                true,
		"--watch=secrets?where=true":                         false,
		"--watch=secrets?changed=data":                       true,
		"--sink=file:changes.jsonl?drop=data":                false,
		"--sink=file:changes.jsonl?preset=nodes: heartbeats": true,
	} {
		l, err := ledger.Open(t.Context(), ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		p := &program{ledger: l, settings: parseWith(t, Options{}, flag, "--clusters=dir:"+t.TempDir(), "--sink=stdout:", "--watch=configmaps")}
		if got := len(p.ruleKeys(p.settings).DigestKey) > 0; got != needs {
			t.Errorf("%s: a key %t", flag, got)
		}
	}
}
