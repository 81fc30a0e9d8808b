//! `section!`: a section's list of fields (`field`), the struct that it becomes and the decoder between them, written
//! once. The text of a field is its doc comment.

/// A section: the struct that it becomes, its list of fields, and the decoder that reads the one into the other.
///
/// Each field is `/// text`, `name: type, kind`, then what applies of `preset` (the default), `required` (what is
/// missing without it), `only` (the task that it belongs to) and `omit` (when it is not rendered). `name ["key"]` is a
/// field whose key is another word. `check` names a function that looks at the fields together; `refine` says the same
/// to the JSON Schema. Fields under `also` are read by `check`. `short` names the field that a text in place of the
/// section stands for.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $list:ident: $type:ident derive($($derive:ident),*)
        $(, short $short:literal)? $(, check $check:path)? $(, refine $refine:path)? {
            $(
                $(#[doc = $text:literal])+
                $field:ident $([$key:literal])?: $of:ty, $kind:expr
                $(, preset $preset:expr)? $(, required $required:literal)? $(, only $only:expr)?
                $(, omit $omit:literal)?;
            )+
            $(also { $($(#[doc = $more_text:literal])+ $more:ident, $more_kind:expr;)+ })?
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, $($derive),*)]
        pub struct $type {
            $(
                $(#[doc = $text])+
                $(#[serde(skip_serializing_if = $omit)])?
                pub $field: $of,
            )+
        }

        #[doc = concat!("The fields of `", stringify!($type), "`.")]
        pub(in crate::config) static $list: $crate::config::field::Section = $crate::config::field::Section {
            text: concat!($($about),+),
            fields: &[
                $(
                    $crate::config::field::Field::new(
                        $crate::config::section::section!(@key $field $($key)?), $kind, concat!($($text),+),
                    )
                    $(.preset($preset))?
                    $(.required($required))?
                    $(.only($only))?,
                )+
                $($($crate::config::field::Field::new(stringify!($more), $more_kind, concat!($($more_text),+)),)+)?
            ],
            short: $crate::config::section::section!(@option $($short)?),
            refine: $crate::config::section::section!(@option $($refine)?),
        };

        impl $crate::config::value::FromSection for $type {
            const SECTION: &'static $crate::config::field::Section = &$list;

            fn from_fields(fields: &$crate::config::decode::Fields<'_, '_>) -> Self {
                $crate::config::section::section!(
                    @check Self { $($field: fields.get($crate::config::section::section!(@key $field $($key)?)),)+ },
                    fields $(, $check)?
                )
            }
        }
    };
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
    (@option) => { None };
    (@option $some:expr) => { Some($some) };
    (@check $read:expr, $fields:ident) => { $read };
    (@check $read:expr, $fields:ident, $check:path) => {{
        let mut section = $read;
        $check(&mut section, $fields);
        section
    }};
}
pub(super) use section;
