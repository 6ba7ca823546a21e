// The sign that whoever answers is a member of Holdfast. Each answer has it that has no other
// `X-Holdfast-...` header: clients take nothing without one for a member's word, since anybody may
// listen at an address that was mistyped or has changed hands.
export const houseSign = { name: 'X-Holdfast', value: '1' } as const;

export const houseSignHeader = { [houseSign.name]: houseSign.value } as const;
