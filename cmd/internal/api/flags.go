package api

// Flag is one of fairlead run's in what GET /flags answers.
type Flag struct {
	Name  string `json:"name"`
	Value string `json:"value"`           // in effect, without credentials
	Given bool   `json:"given,omitempty"` // on the command line
}
