package sources

import "fmt"

// Replay has the streams of a member deliver the current state of all their
// objects again, or only that of one resource, such as "deployments.apps". It
// returns how many streams do, as soon as they have been asked; see
// [stream.Stream.Replay]. It fails when there is none.
func (s *Sources) Replay(cluster, resource string) (streams int, err error) {
	m := s.member(cluster)
	if m == nil {
		return 0, fmt.Errorf("cluster %q is not in the fleet", cluster)
	}
	for _, st := range m.streams {
		if resource == "" || st.Status().Resource == resource {
			st.Replay()
			streams++
		}
	}
	if streams == 0 {
		return 0, fmt.Errorf("%q is not followed in cluster %q", resource, cluster)
	}
	return streams, nil
}
