package api

// Version is what /version answers.
type Version struct {
	Version string `json:"version"`          // "dev" if it was built as no release
	Commit  string `json:"commit,omitempty"` // with "-dirty" if the tree had changes
	Date    string `json:"date,omitempty"`   // of the commit, RFC 3339
	Go      string `json:"go"`               // Go's version, and the platform
}
