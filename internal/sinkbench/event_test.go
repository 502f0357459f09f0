package sinkbench

import (
	"encoding/json"
	"testing"
)

// The bytes are the same, or the comparison would be none.
func TestEvent(t *testing.T) {
	const text = `{"specversion":"1.0","type":"dev.fairlead.resource.updated.v1","source":"/clusters/alpha",` +
		`"subject":"/apis/apps/v1/namespaces/ns/deployments/d","id":"apps/v1/deployments/u-1/42","time":"2026-03-04T04:06:07.089Z",` +
		`"datacontenttype":"application/json","cluster":"alpha","clusteruid":"cu","apiversion":"apps/v1","kind":"Deployment",` +
		`"namespace":"ns","name":"d","resourceversion":"42","term":"00000000000000000007","sequence":"00000000000000000099",` +
		`"snapshot":true,"data":{"kind":"Deployment","n":[1,2]}}`
	e, err := Event([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(e); err != nil || string(got) != text {
		t.Errorf("%s, %v", got, err)
	}
}
