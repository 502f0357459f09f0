package propagation

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestOlder(t *testing.T) {
	for name, tc := range map[string]struct {
		v, w Version
		want string // in the reason; empty: may replace
	}{
		"nothing known":                    {Version{ResourceVersion: "5"}, Version{}, ""},
		"the same":                         {Version{Term: 2, ResourceVersion: "5"}, Version{Term: 2, ResourceVersion: "5"}, ""},
		"newer state":                      {Version{ResourceVersion: "10"}, Version{ResourceVersion: "9"}, ""},
		"older state":                      {Version{ResourceVersion: "9"}, Version{ResourceVersion: "10"}, "resourceVersion 10, and this is of 9"},
		"lower term with a newer state":    {Version{Term: 1, ResourceVersion: "11"}, Version{Term: 2, ResourceVersion: "10"}, "term 2, and this is term 1"},
		"no term after one":                {Version{ResourceVersion: "11"}, Version{Term: 2, ResourceVersion: "10"}, "term 2, and this is term 0"},
		"higher term, behind":              {Version{Term: 3, ResourceVersion: "9"}, Version{Term: 2, ResourceVersion: "10"}, "resourceVersion"},
		"sequence":                         {Version{Sequence: 4, ResourceVersion: "9"}, Version{Sequence: 3, ResourceVersion: "10"}, ""},
		"lower sequence":                   {Version{Sequence: 3, ResourceVersion: "10"}, Version{Sequence: 4, ResourceVersion: "9"}, "sequence 4, and this is of 3"},
		"no sequence after one":            {Version{ResourceVersion: "9"}, Version{Sequence: 4, ResourceVersion: "10"}, "resourceVersion"},
		"another source of the name":       {Version{UID: "b", ResourceVersion: "11"}, Version{UID: "a", ResourceVersion: "10"}, ""},
		"a source that was replaced since": {Version{UID: "a", ResourceVersion: "10"}, Version{UID: "b", ResourceVersion: "11"}, "resourceVersion"},
		"no number":                        {Version{ResourceVersion: "x"}, Version{ResourceVersion: "10"}, ""},
	} {
		if got := tc.v.Older(tc.w); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestVersionOfACopy(t *testing.T) {
	source := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{UID: "u", Generation: 3, ResourceVersion: "77"}}
	want := Version{Term: 1<<64 - 1, UID: "u", Generation: 3, ResourceVersion: "77"}
	v := VersionOf(source, 1<<64-1)
	got, ok := Read(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{Annotation: v.annotation()}}})
	if v != want || got != want || !ok {
		t.Errorf("%+v, read as %+v", v, got)
	}
}

// FuzzRead: whatever a member puts into the annotation, it is read as a version that
// can be written again, or as none.
func FuzzRead(f *testing.F) {
	for _, text := range []string{"", "{}", "null", `{"term":"7","uid":"u","resourceVersion":"5"}`, `{"term":7}`, `{"term":"-1"}`, `{"sequence":"18446744073709551616"}`, strings.Repeat("[", most), strings.Repeat("x", most+1)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		bearing := func(text string) metav1.Object {
			return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{Annotation: text}}}
		}
		v, ok := Read(bearing(text))
		if !ok && v != (Version{}) {
			t.Fatalf("%+v is none", v)
		}
		if again, ok := Read(bearing(v.annotation())); len(v.annotation()) <= most && (!ok || again != v) {
			t.Fatalf("%+v is read again as %+v", v, again)
		}
	})
}

func TestStatusList(t *testing.T) {
	var list []ClusterStatus
	for _, name := range []string{"b", "c", "a", "b"} {
		s := ClusterStatus{Cluster: name, State: "Pending"}
		s.About(Version{Term: 2, Sequence: 8, Generation: 3, ResourceVersion: "5"})
		list = Set(list, s)
	}
	now := metav1.Now()
	Of(list, "c").UnreachableSince = &now
	list = Remove(Remove(list, "a"), "none")
	want := []ClusterStatus{
		{Cluster: "b", State: "Pending", ObservedGeneration: 3, SourceVersion: "5", Sequence: 8, Term: 2},
		{Cluster: "c", State: "Pending", ObservedGeneration: 3, SourceVersion: "5", Sequence: 8, Term: 2, UnreachableSince: &now},
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if Of(list, "a") != nil || !Of(list, "b").IsAbout(Version{Term: 9, Sequence: 8, ResourceVersion: "5"}) || Of(list, "b").IsAbout(Version{ResourceVersion: "5"}) {
		t.Error("entries are not what was set")
	}
	if c := list[1].DeepCopy(); c.UnreachableSince == list[1].UnreachableSince || !cmp.Equal(*c, list[1]) {
		t.Error("a copy shares its time, or is another entry")
	}
}
