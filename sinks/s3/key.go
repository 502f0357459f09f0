package s3

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// key returns the key of the segment of these changes, which are of one cluster. It
// depends on them alone.
func (s *Sink) key(changes []*pipeline.Change) string {
	first := changes[0]
	at := first.Observed.UTC()
	ids := sha256.New()
	for _, c := range changes {
		_, _ = ids.Write(append([]byte(c.ID()), '\n')) // never fails
	}
	suffix := ".ndjson.zst"
	if s.o.NoCompression {
		suffix = ".ndjson"
	}
	return fmt.Sprintf("%scluster=%s/dt=%s/hh=%02d/%020d-%020d-%x%s",
		s.root(), escape(first.Key.Cluster), at.Format("2006-01-02"), at.Hour(), first.Origin.Term, first.Sequence, ids.Sum(nil)[:8], suffix)
}

// root is how all keys begin.
func (s *Sink) root() string {
	if s.o.Prefix == "" {
		return "v1/"
	}
	return s.o.Prefix + "/v1/"
}

// escape writes every byte as %XX that readers of partitions could take for something
// else. They decode that.
func escape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
