package postgres

import (
	"encoding/json"
	"fmt"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// maxPayload is the most that PostgreSQL takes, in bytes; it keeps one for itself.
// https://www.postgresql.org/docs/15/sql-notify.html
const maxPayload = 7999

// payload is what listeners hear of a batch, in JSON: how many changes there are of
// each resource in each cluster, or only how many if that is too much.
//
//	{"changes":3,"resources":{"edge":{"pods":2,"deployments.apps":1}}}
func payload(batch []*pipeline.Change) []byte {
	counts := map[string]map[string]int{}
	for _, c := range batch {
		of := counts[c.Key.Cluster]
		if of == nil {
			of = map[string]int{}
			counts[c.Key.Cluster] = of
		}
		of[c.Key.Resource]++
	}
	text, err := json.Marshal(map[string]any{"changes": len(batch), "resources": counts})
	if err != nil || len(text) > maxPayload {
		return fmt.Appendf(nil, `{"changes":%d}`, len(batch))
	}
	return text
}
