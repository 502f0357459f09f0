package deadletter

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// landed are records as the versions wrote them that escaped no UIDs and compared
// no attributes: of an ordinary object; with characters in its name and version
// that are escaped, or are not; of an aggregated API whose objects have no UID; and
// of one that makes its own.
var landed = []string{
	`{"time":"2026-01-02T03:04:05.6789Z","sink":"file:/var/x\u003cy\u003e.jsonl","reason":"disk \u2028 \"full\" \u001b","attempts":3,"event":{"specversion":"1.0","type":"dev.fairlead.resource.added.v1","source":"/clusters/eu-1","subject":"/api/v1/namespaces/default/pods/web-0","id":"/v1/pods/5b0f1c7e-8c1d-4f3f-9a58-1df0c5b4a9aa/12345","time":"2026-01-02T03:04:05.6789Z","datacontenttype":"application/json","cluster":"eu-1","clusteruid":"bc5f0fde-1c2d-4e3f-8a9b-000000000001","apiversion":"v1","kind":"Pod","namespace":"default","name":"web-0","resourceversion":"12345","snapshot":true,"data":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-0"}}}}`,
	`{"time":"2026-01-02T03:04:05.6789Z","sink":"file:/var/x\u003cy\u003e.jsonl","reason":"disk \u2028 \"full\" \u001b","attempts":3,"event":{"specversion":"1.0","type":"dev.fairlead.resource.updated.v1","source":"/clusters/arn:aws:eks:eu-west-1:1234:cluster%2Fprod","subject":"/apis/rbac.authorization.k8s.io/v1/clusterroles/system:controller:node%20%3Ca&b%3E%252F","id":"rbac.authorization.k8s.io/v1/clusterroles/5b0f1c7e-8c1d-4f3f-9a58-1df0c5b4a9aa/9/7","time":"2026-01-02T03:04:05.6789Z","datacontenttype":"application/json","cluster":"arn:aws:eks:eu-west-1:1234:cluster/prod","clusteruid":"digest-00ff","apiversion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","name":"system:controller:node <a&b>%2F","resourceversion":"9/7","data":{"kind":"ClusterRole",  "x":"é"}}}`,
	`{"time":"2026-01-02T03:04:05.6789Z","sink":"file:/var/x\u003cy\u003e.jsonl","reason":"disk \u2028 \"full\" \u001b","attempts":3,"event":{"specversion":"1.0","type":"dev.fairlead.resource.deleted.v1","source":"/clusters/eu-1","subject":"/apis/metrics.k8s.io/v1beta1/nodes/n%C3%A4me","id":"metrics.k8s.io/v1beta1/nodes//deleted","time":"2026-01-02T03:04:05.6789Z","cluster":"eu-1","clusteruid":"u","apiversion":"metrics.k8s.io/v1beta1","kind":"NodeMetrics","name":"näme","resourceversion":"77"}}`,
	`{"time":"2026-01-02T03:04:05.6789Z","sink":"file:/var/x\u003cy\u003e.jsonl","reason":"disk \u2028 \"full\" \u001b","attempts":3,"event":{"specversion":"1.0","type":"dev.fairlead.resource.deleted.v1","source":"/clusters/eu-1","subject":"/apis/example.com/v1alpha1/namespaces/a/things/b","id":"example.com/v1alpha1/things/urn:uuid:1+2=3;x y/deleted","time":"2026-01-02T03:04:05.6789Z","cluster":"eu-1","apiversion":"example.com/v1alpha1","kind":"Thing","namespace":"a","name":"b"}}`,
}

// escaped are the ids whose form has changed since: of a version with a slash, and of
// a deletion, which says its version now.
var escaped = strings.NewReplacer("4a9aa/9/7", "4a9aa/9%2F7", "nodes//deleted", "nodes//77/deleted")

// TestLandedRecords: they are read, and their objects' events still have the same
// ids, or those that such ids have become.
func TestLandedRecords(t *testing.T) {
	for _, line := range landed {
		r, err := parseRecord([]byte(line))
		if err != nil {
			t.Errorf("%v in %s", err, line)
			continue
		}
		e := r.Event
		change := pipeline.Change{
			Key: e.Key(), Op: e.Op(), UID: types.UID(e.UID()), ResourceVersion: e.ResourceVersion, Observed: e.Time, Object: e.Data, Snapshot: e.Snapshot,
			Origin: &pipeline.Origin{ClusterUID: e.ClusterUID, Resource: e.Resource(), Kind: e.Kind},
		}
		if again := string(change.AppendCloudEvent(nil)); !strings.HasSuffix(escaped.Replace(line), `"event":`+again+"}") {
			t.Errorf("became\n%s\nwas\n%s", again, line)
		}
	}
}
