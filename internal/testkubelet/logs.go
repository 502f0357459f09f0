package testkubelet

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// logs answers with what the Pod has written so far and, if that is asked for, with what it
// writes until it ends.
func (n *Node) logs(w http.ResponseWriter, r *http.Request, p pod) {
	if r.URL.Query().Get("previous") == "true" {
		http.Error(w, "there was none before", http.StatusBadRequest)
		return
	}
	if p.Log == "" {
		return
	}
	file, err := os.Open(p.Log)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer func() { _ = file.Close() }()
	last := r.URL.Query().Get("follow") != "true"
	if !last {
		p.followers.Add(1)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, copied := io.Copy(w, file)
		flushed := http.NewResponseController(w).Flush()
		if errors.Join(copied, flushed) != nil || last {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-n.ends.Done():
			return
		case <-p.ended:
			last = true
		case <-tick.C:
		}
	}
}
