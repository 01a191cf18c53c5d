//! LIKE's patterns: `%` is any text, `_` any one character.

/// A pattern, parsed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern(Vec<Piece>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Piece {
    Any,
    One,
    Is(char),
}

impl Pattern {
    /// Reads a pattern, where `escape` makes the next `%`, `_` or escape stand for itself.
    ///
    /// # Errors
    /// `Err` names the character after an escape that may not be there (none: the end).
    pub fn parse(text: &str, escape: Option<char>) -> Result<Pattern, Option<char>> {
        let mut pieces = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let piece = match c {
                c if Some(c) == escape => match chars.next() {
                    Some(next) if next == '%' || next == '_' || Some(next) == escape => {
                        Piece::Is(next)
                    }
                    other => return Err(other),
                },
                '%' => Piece::Any,
                '_' => Piece::One,
                c => Piece::Is(c),
            };
            if piece != Piece::Any || pieces.last() != Some(&Piece::Any) {
                pieces.push(piece);
            }
        }
        Ok(Pattern(pieces))
    }

    /// Whether the whole text matches. Goes back only to the last `%`: time is at most the product
    /// of both lengths.
    pub fn matches(&self, text: &str) -> bool {
        let (mut rest, mut piece) = (text.chars(), 0);
        let mut again = None;
        loop {
            let mut ahead = rest.clone();
            let matched = match (self.0.get(piece), ahead.next()) {
                (Some(Piece::Any), _) => {
                    again = Some((rest.clone(), piece));
                    piece += 1;
                    continue;
                }
                (None, None) => return true,
                (Some(Piece::One), Some(_)) => true,
                (Some(Piece::Is(wanted)), Some(c)) => *wanted == c,
                _ => false,
            };
            if matched {
                rest = ahead;
                piece += 1;
                continue;
            }
            // The last % takes one character more.
            match &mut again {
                Some((from, at)) => {
                    if from.next().is_none() {
                        return false;
                    }
                    rest = from.clone();
                    piece = *at + 1;
                }
                None => return false,
            }
        }
    }
}
