//! Paths of a description: `/orders/{id}`, each part fixed or a parameter.

/// How many parts a path has.
pub(super) fn parts(path: &str) -> usize {
    path.bytes().filter(|byte| *byte == b'/').count()
}

/// A path with parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template(Box<[Part]>);

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Fixed(Box<str>),
    Parameter(Box<str>),
}

impl Template {
    pub(super) fn parse(path: &str) -> Result<Self, String> {
        let part = |text: &str| match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'))
        {
            Some(name) if !name.is_empty() && !name.contains(['{', '}']) => {
                Ok(Part::Parameter(name.into()))
            }
            None if !text.contains(['{', '}']) => Ok(Part::Fixed(text.into())),
            _ => Err(format!("`{text}`: a parameter is a whole part of a path here")),
        };
        let parts = path.strip_prefix('/').unwrap_or(path).split('/').map(part);
        parts.collect::<Result<_, _>>().map(Self)
    }

    /// How many parts it has.
    pub(super) fn parts(&self) -> usize {
        self.0.len()
    }

    /// How many parameters it has.
    pub(super) fn parameters(&self) -> usize {
        self.0.iter().filter(|part| matches!(part, Part::Parameter(_))).count()
    }

    /// What the parameters stand for in this path, as it is written there; `None` where the path
    /// is another.
    pub(super) fn find<'a>(&'a self, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
        let mut segments = path.strip_prefix('/')?.split('/');
        let mut found = Vec::new();
        for part in &self.0 {
            let segment = segments.next()?;
            match part {
                Part::Fixed(text) if **text == *segment => {}
                Part::Parameter(name) if !segment.is_empty() => found.push((&**name, segment)),
                _ => return None,
            }
        }
        segments.next().is_none().then_some(found)
    }
}

#[cfg(test)]
mod tests {
    //! Templates against paths.
    use super::Template;

    #[test]
    fn parts_are_fixed_or_parameters() {
        let template = Template::parse("/orders/{id}/items/{item}").unwrap();
        let found = template.find("/orders/7/items/a%2Fb").unwrap();
        assert_eq!(found, [("id", "7"), ("item", "a%2Fb")]);
        for other in
            ["/orders/7/items", "/orders//items/1", "/orders/7/items/1/", "/x/7/items/1", ""]
        {
            assert!(template.find(other).is_none(), "{other}");
        }
        assert_eq!(Template::parse("/").unwrap().find("/"), Some(vec![]));
        for path in ["/", "/a", "/a/", "/a/{b}/c"] {
            assert_eq!(Template::parse(path).unwrap().parts(), super::parts(path), "{path}");
        }
        for wrong in ["/a/{id}.json", "/a/{}", "/a/{{id}}", "/a/x{id", "/a/id}"] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
    }
}
