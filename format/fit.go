package format

// floor is how far column i shrinks before another one has to go. The first is
// what people type next: an Id never loses a digit.
func floor(i int) int {
	if i == 0 {
		return 16
	}
	return 8
}

// fit cuts lines, the first of them the header, so that none is wider than
// limit. The widest columns shrink first, none of them below its floor; when that
// is not enough the last column goes and the others get their room back.
func fit(lines [][]string, limit int) [][]string {
	natural := widths(lines)
	for n := len(natural); n > 1; n-- {
		if room := shrink(natural[:n], limit); room != nil {
			return cut(lines, room)
		}
	}
	return cut(lines, []int{min(natural[0], limit)})
}

// widths returns the width that each column needs.
func widths(lines [][]string) []int {
	need := make([]int, len(lines[0]))
	for _, cells := range lines {
		for i, cell := range cells {
			need[i] = max(need[i], Width(cell))
		}
	}
	return need
}

// shrink returns column widths that fit into limit, or nil.
func shrink(natural []int, limit int) []int {
	room := append([]int(nil), natural...)
	total := 0
	for i, w := range room {
		total += w
		if i+1 < len(room) {
			total += gapAfter(i)
		}
	}
	for ; total > limit; total-- {
		widest := -1
		for i := range room {
			if room[i] > floor(i) && (widest < 0 || room[i] > room[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return nil
		}
		room[widest]--
	}
	return room
}

// cut returns lines with only the columns of room, none wider than it says.
func cut(lines [][]string, room []int) [][]string {
	out := make([][]string, len(lines))
	for i, cells := range lines {
		out[i] = make([]string, len(room))
		for j, width := range room {
			out[i][j] = Truncate(cells[j], width)
		}
	}
	return out
}
