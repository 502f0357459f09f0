package stream

import (
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// testQuestionForAVersion: a get and a list of one object both tell whether a server has
// reached a version, with a watch cache and without.
func testQuestionForAVersion(t *testing.T, cluster *testenv.Cluster) {
	r := follow(t, cluster.Config(), "configmaps")
	r.wantLive()
	r.stop()
	a := &attempt{reader: r.stream.main.Load(), session: r.opts.Connection.(*fakeConnection).session}
	for version, want := range map[string][2]reason{"1": {missing, closed}, "9000000000000": {tooNew, tooNew}} {
		got, _ := classify(t.Context(), open(t.Context(), a.objectRequest(noSuchObject).Param("resourceVersion", version)))
		listed, _ := classify(t.Context(), open(t.Context(), a.listOfObject(noSuchObject).Param("resourceVersion", version).Param("resourceVersionMatch", "NotOlderThan")))
		if got != want[0] || listed != want[1] {
			t.Errorf("version %s: get says %s, list says %s", version, got, listed)
		}
	}
}
