package httpsink

import (
	"slices"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// runsOf sorts the changes at some places of a batch by objects: the places of each, in
// order.
func runsOf(batch []*pipeline.Change, places []int) [][]int {
	if len(places) == 1 {
		return [][]int{places}
	}
	runs := make([][]int, 0, len(places))
	of := make(map[pipeline.Key]int, len(places))
	for j, i := range places {
		if at, ok := of[batch[i].Key]; ok {
			runs[at] = append(runs[at], i)
			continue
		}
		of[batch[i].Key] = len(runs)
		runs = append(runs, places[j:j+1:j+1]) // most objects have one change
	}
	return runs
}

// halves splits the changes at some places, all of an object into the same half, so that
// either may be sent first. Of one object it splits the first change from the others.
func halves(batch []*pipeline.Change, places []int) [][]int {
	runs := runsOf(batch, places)
	if len(runs) == 1 {
		return [][]int{places[:1], places[1:]}
	}
	first, second := slices.Concat(runs[:len(runs)/2]...), slices.Concat(runs[len(runs)/2:]...)
	slices.Sort(first)
	slices.Sort(second)
	return [][]int{first, second}
}

// placesOf returns the places of all changes of a batch.
func placesOf(batch []*pipeline.Change) []int {
	places := make([]int, len(batch))
	for i := range places {
		places[i] = i
	}
	return places
}
